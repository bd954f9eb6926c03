// Made-up alerts: a fleet with some trouble, as a function of the number of alerts.

import { accepts } from "../../../src/lib/promql";
import { parseMatchers } from "../../../src/lib/matchers";
import type { Alert, AlertState, Episode } from "../../../src/api/schema";
import { ruleOf, RULES } from "./rules";
import type { AlertingState } from "./state";

const MINUTE = 60_000;
export const iso = (ms: number) => new Date(ms).toISOString();

const TEAMS = ["platform", "database", "web"];
const HOLDS = [
  {
    reason: "agent_silent",
    message:
      "The agent of the host has sent nothing for 4 min: look whether the host or its network is down.",
  },
  {
    reason: "agent_catching_up",
    message: "The agent sends what it has kept while it had no connection; its newest data is 2 min old.",
  },
];

/** Returns all alerts of the mock, worst first. */
export function allAlerts(state: AlertingState, now: number): Alert[] {
  return Array.from({ length: state.alerts }, (_, i) => alertAt(state, i, now)).sort(
    (a, b) => rank(a) - rank(b) || (b.fireTime ?? "").localeCompare(a.fireTime ?? ""),
  );
}

const rank = (a: Alert) =>
  STATES.indexOf(a.state ?? "ALERT_STATE_FIRING") * 10 +
  ["critical", "warning", "info"].indexOf(a.labels?.severity ?? "info");
const STATES: AlertState[] = ["ALERT_STATE_FIRING", "ALERT_STATE_PENDING", "ALERT_STATE_RESOLVED"];

function alertAt(state: AlertingState, i: number, now: number): Alert {
  const rule = RULES[(i * 5) % 6] ?? RULES[0]; // the last one records
  const id = `${i.toString(16).padStart(6, "0")}c0ffee5eed00d1ce00`.slice(0, 24);
  const wire: AlertState =
    i % 7 === 4 ? "ALERT_STATE_PENDING" : i % 9 === 8 ? "ALERT_STATE_RESOLVED" : "ALERT_STATE_FIRING";
  const host = state.hostName((i * 3) % Math.max(1, state.hosts));
  const active = now - (7 + ((i * 37) % 900)) * MINUTE;
  const labels = {
    alertname: rule.name ?? "",
    severity: rule.severity ?? "info",
    host_name: host,
    host_id: `id-${(i * 3) % Math.max(1, state.hosts)}`,
    os_type: "linux",
    environment: "production",
    team: TEAMS[i % TEAMS.length] ?? "",
    ...(rule.name === "FilesystemAlmostFull" && {
      system_filesystem_mountpoint: i % 2 ? "/" : "/var/lib/postgresql",
    }),
  };
  const ack = state.acks.get(id);
  const silencedBy = state.silences
    .filter((s) => s.state === "SILENCE_STATE_ACTIVE" && matches(s.matchers ?? [], labels))
    .map((s) => s.id ?? "");
  return {
    id,
    fingerprint: id.slice(0, 16),
    state: wire,
    labels,
    annotations: {
      summary: (rule.annotations?.summary ?? "").replace("$host", host),
      description:
        "The value has been beyond the threshold for longer than the rule bears.\nLook at what changed on the host at that time.",
      runbook_url: rule.runbook ?? "",
    },
    value: i === 3 ? ("NaN" as unknown as number) : rule.value * (1 + (i % 9) / 60),
    threshold: rule.threshold,
    unit: rule.graph?.unit ?? "",
    activeTime: iso(active - 5 * MINUTE),
    ...(wire !== "ALERT_STATE_PENDING" && { fireTime: iso(active) }),
    ...(wire === "ALERT_STATE_RESOLVED" && { resolveTime: iso(now - 3 * MINUTE) }),
    evaluationTime: iso(Math.floor(now / 15_000) * 15_000),
    ...(i % 11 === 6 && { hold: { ...HOLDS[i % 2], sinceTime: iso(now - 4 * MINUTE) } }),
    ...(i % 13 === 9 && { noData: true }),
    ...(ack && { acknowledgement: ack }),
    ...(silencedBy.length > 0 && { silencedBy }),
    ...(i % 17 === 10 && { inhibitedBy: ["000000c0ffee5eed00d1ce00"] }),
    ...(i % 19 === 5 && { flapping: true }),
    receivers: rule.severity === "critical" ? ["ops-teams", "duty-pager"] : ["ops-teams"],
    ruleId: rule.id ?? "",
  };
}

/** Tells whether labels satisfy matchers, as the server would. */
export function matches(texts: readonly string[], labels: Record<string, string>): boolean {
  const parsed = parseMatchers(texts.join(","));
  return parsed.ok && accepts(parsed.matchers, labels);
}

const CONDITIONS: Record<string, (a: Alert) => boolean> = {
  held: (a) => a.hold !== undefined,
  no_data: (a) => a.noData ?? false,
  acknowledged: (a) => a.acknowledgement !== undefined,
  silenced: (a) => (a.silencedBy?.length ?? 0) > 0,
  inhibited: (a) => (a.inhibitedBy?.length ?? 0) > 0,
  flapping: (a) => a.flapping ?? false,
};

interface Found {
  alerts: Alert[];
  counts: Record<string, string>;
}

/** Selects alerts as a query of the list does. */
export function findAlerts(state: AlertingState, query: URLSearchParams, now: number): Found {
  const ids = query.getAll("ids");
  const states = query.getAll("states");
  const conditions = query.getAll("conditions");
  const matching = allAlerts(state, now).filter((a) => matches(query.getAll("matchers"), a.labels ?? {}));
  const counts: Record<string, number> = {};
  for (const a of matching) {
    const held = Object.keys(CONDITIONS).filter((c) => CONDITIONS[c]?.(a));
    for (const name of [(a.state ?? "").replace("ALERT_STATE_", "").toLowerCase(), ...held]) {
      counts[name] = (counts[name] ?? 0) + 1;
    }
  }
  const alerts = matching.filter((a) => {
    if (ids.length > 0) return ids.includes(a.id ?? "");
    if (states.length > 0 ? !states.includes(a.state ?? "") : a.state === "ALERT_STATE_RESOLVED")
      return false;
    if (conditions.length > 0 && !conditions.some((c) => CONDITIONS[c]?.(a))) return false;
    return (
      query.get("activeOnly") !== "true" ||
      !["acknowledged", "silenced", "inhibited"].some((c) => CONDITIONS[c]?.(a))
    );
  });
  return { alerts, counts: Object.fromEntries(Object.entries(counts).map(([k, v]) => [k, String(v)])) };
}

/** Counts alerts by a label's value. */
export function groupsOf(alerts: readonly Alert[], by: string) {
  const groups = new Map<string, Alert[]>();
  for (const a of alerts) {
    const value = a.labels?.[by] ?? "";
    groups.set(value, [...(groups.get(value) ?? []), a]);
  }
  const count = (list: Alert[], test: (a: Alert) => boolean) => String(list.filter(test).length);
  return [...groups].map(([value, list]) => ({
    value,
    severity: list[0]?.labels?.severity ?? "",
    firing: count(list, (a) => a.state === "ALERT_STATE_FIRING"),
    pending: count(list, (a) => a.state === "ALERT_STATE_PENDING"),
    held: count(list, (a) => a.hold !== undefined),
    acknowledged: count(list, (a) => a.acknowledgement !== undefined),
    silenced: count(list, (a) => (a.silencedBy?.length ?? 0) > 0),
    ...(list[0]?.fireTime && { fireTime: list[0].fireTime }),
  }));
}

/** Returns the times for which an alert fired, newest first. */
export function episodesOf(alert: Alert, now: number): Episode[] {
  const { id = "", ruleId = "", labels = {}, value = 0 } = alert;
  const seed = parseInt(id.slice(0, 6), 16);
  const past = Array.from({ length: 4 }, (_, i) => {
    const from = now - (i * 53 + 35 + (seed % 20)) * MINUTE;
    return {
      alertId: id,
      ruleId,
      labels,
      activeTime: iso(from - 5 * MINUTE),
      fireTime: iso(from),
      resolveTime: iso(from + (9 + ((seed + i) % 14)) * MINUTE),
      fireValue: value * 0.99,
      lastValue: value * 0.9,
      ...(i === 1 && { corrected: true }),
    };
  });
  if (alert.state !== "ALERT_STATE_FIRING") return past;
  const current = {
    alertId: id,
    ruleId,
    labels,
    activeTime: iso(now - 17 * MINUTE),
    fireTime: iso(now - 12 * MINUTE),
    fireValue: value,
    lastValue: value,
  };
  return [current, ...past];
}

/** Returns an alert with what happened to it. */
export function detailOf(state: AlertingState, id: string, now: number) {
  const alert = allAlerts(state, now).find((a) => a.id === id);
  if (!alert) return undefined;
  const rule = ruleOf(alert.ruleId ?? "");
  const host = alert.labels?.host_name ?? "";
  const query = rule?.graph?.query?.replaceAll("{", `{host_name="${host}", `).replaceAll(", }", "}");
  const ago = (minutes: number) => iso(now - minutes * MINUTE);
  return {
    alert,
    rule,
    episodes: episodesOf(alert, now),
    graph: { ...rule?.graph, query },
    events: [
      ...(alert.acknowledgement
        ? [
            {
              time: ago(2),
              kind: "acknowledged",
              author: alert.acknowledgement.author,
              message: alert.acknowledgement.comment,
            },
          ]
        : []),
      { time: ago(11), kind: "notified", message: "ops-teams" },
      { time: ago(12), kind: "firing", value: alert.value },
      { time: ago(17), kind: "pending", value: alert.value },
      { time: ago(20), kind: "released" },
      { time: ago(26), kind: "held", message: "The agent of the host has sent nothing for 1 min." },
      { time: ago(35), kind: "corrected", message: "Data that came late ended the episode 4 min earlier." },
      { time: ago(40), kind: "resolved", value: rule?.value },
    ],
  };
}
