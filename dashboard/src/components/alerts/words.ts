// What is said about an alert: its state, and what else is true of it and why.

import type { Alert, AlertState } from "../../api/schema";
import { double, timestamp } from "../../lib/proto-json";
import { formatMoment } from "../../lib/format";
import { formatMeasured, formatThreshold } from "../../lib/unit";

/** States that people choose among. */
export const STATES = ["firing", "pending", "resolved"] as const;
export type StateName = (typeof STATES)[number];

/** Things that may be true of an alert, as the server names them. */
export const CONDITIONS = ["held", "no_data", "acknowledged", "silenced", "inhibited", "flapping"] as const;
export type Condition = (typeof CONDITIONS)[number];

export const CONDITION_NAMES: Record<Condition, string> = {
  held: "Held",
  no_data: "No data",
  acknowledged: "Acknowledged",
  silenced: "Silenced",
  inhibited: "Inhibited",
  flapping: "Flapping",
};

/** Returns the state's name in lower case; "unknown" for one that is not known here. */
export function stateName(state: AlertState | undefined): StateName | "unknown" {
  return STATES.find((s) => wireState(s) === state) ?? "unknown";
}

/** Returns the state as the server takes it. */
export function wireState(state: StateName): AlertState {
  return `ALERT_STATE_${state.toUpperCase() as Uppercase<StateName>}`;
}

/** Something that is true of an alert. */
export interface Remark {
  condition: Condition;
  /** Why, in a sentence. */
  reason: string;
}

/** Returns what is true of an alert besides its state, each with its reason. */
export function remarks(alert: Alert, now: number): Remark[] {
  const out: Remark[] = [];
  if (alert.hold) out.push({ condition: "held", reason: holdReason(alert.hold, now) });
  if (alert.noData) out.push({ condition: "no_data", reason: "Its rule wants data and finds none." });
  if (alert.acknowledgement)
    out.push({ condition: "acknowledged", reason: acknowledgedBy(alert.acknowledgement, now) });
  if (alert.silencedBy?.length) {
    const count = alert.silencedBy.length;
    out.push({
      condition: "silenced",
      reason: count === 1 ? "A silence hides it." : `${count} silences hide it.`,
    });
  }
  if (alert.inhibitedBy?.length) {
    const count = alert.inhibitedBy.length;
    const by = count === 1 ? "Another alert explains it" : `${count} other alerts explain it`;
    out.push({ condition: "inhibited", reason: `${by}; nobody is told.` });
  }
  if (alert.flapping)
    out.push({ condition: "flapping", reason: "It changes so often that changes are not told one by one." });
  return out;
}

function holdReason(hold: NonNullable<Alert["hold"]>, now: number): string {
  const since = timestamp(hold.sinceTime);
  const text = hold.message ?? HOLDS[hold.reason ?? ""] ?? "It cannot be decided.";
  return since === undefined ? text : `${text} Since ${formatMoment(since, now)}.`;
}

const HOLDS: Readonly<Record<string, string>> = {
  agent_silent: "Its agent sends nothing.",
  agent_catching_up: "Its agent is catching up.",
  evaluation_failed: "Its rule could not be evaluated.",
};

function acknowledgedBy(ack: NonNullable<Alert["acknowledgement"]>, now: number): string {
  const end = timestamp(ack.expireTime);
  const parts = [
    `By ${ack.author ?? "somebody"}`,
    ack.comment ? `: ${ack.comment}` : "",
    end === undefined ? "" : ` (until ${formatMoment(end, now)})`,
    ack.sticky ? " (stays when it fires again)" : "",
  ];
  return parts.join("");
}

/** Returns since when the alert is in its state. */
export function sinceTime(alert: Alert): number | undefined {
  const time = {
    firing: alert.fireTime,
    pending: alert.activeTime,
    resolved: alert.resolveTime,
    unknown: undefined,
  };
  return timestamp(time[stateName(alert.state)]);
}

/** Writes the value. */
export function valueText(alert: Alert): string {
  return formatMeasured(double(alert.value), alert.unit);
}

/** Writes what the value is compared with, empty if that is not known. */
export function thresholdText(alert: Alert): string {
  return formatThreshold(alert.threshold ?? "", alert.unit);
}

/** Returns the one line that says what is wrong. */
export function summaryOf(alert: Alert): string {
  const { summary, description, message } = alert.annotations ?? {};
  return summary ?? description ?? message ?? "";
}

/** Returns the host that an alert is about, or else what stands for it. */
export function hostOf(alert: Alert): string {
  const { host_name: host, instance, target } = alert.labels ?? {};
  return host ?? instance ?? target ?? "";
}
