// Which alerts are listed, and how; it lives in the URL.

import type { AlertFilter } from "../../api/alerts";
import { parseMatchers, writeMatcher } from "../../lib/matchers";
import { parsePage, writePage, type PageView } from "../../lib/pages";
import { oneOf } from "../../lib/promql";
import { CONDITIONS, STATES, wireState, type Condition, type StateName } from "../../components/alerts/words";

export const SEVERITIES = ["critical", "warning", "info"] as const;
export const GROUPINGS = ["alertname", "host_name"] as const;

export interface AlertView extends PageView {
  /** Matchers as they are written, separated by commas. */
  matchers: string;
  /** Any of these; all, if none. */
  severities: readonly string[];
  /** Any of these; pending and firing, if none. */
  states: readonly StateName[];
  conditions: readonly Condition[];
  /** Leaves out what somebody deals with. */
  active: boolean;
  /** Label by which alerts are grouped; empty for a plain list. */
  group: (typeof GROUPINGS)[number] | "";
}

/** Reads the view from the URL; what makes no sense gives the default. */
export function parseView(params: URLSearchParams): AlertView {
  return {
    matchers: params.getAll("matcher").join(", "),
    severities: listed(params.get("severity"), SEVERITIES),
    states: listed(params.get("state"), STATES),
    conditions: listed(params.get("is"), CONDITIONS),
    active: params.get("active") === "1",
    group: GROUPINGS.find((g) => g === params.get("group")) ?? "",
    ...parsePage(params),
  };
}

/** Writes the view into URL parameters, defaults left out. */
export function writeView(view: AlertView): URLSearchParams {
  const out = new URLSearchParams();
  if (view.matchers) out.set("matcher", view.matchers);
  if (view.severities.length > 0) out.set("severity", view.severities.join(","));
  if (view.states.length > 0) out.set("state", view.states.join(","));
  if (view.conditions.length > 0) out.set("is", view.conditions.join(","));
  if (view.active) out.set("active", "1");
  if (view.group) out.set("group", view.group);
  writePage(out, view);
  return out;
}

/** Returns what the server is asked for; undefined if the matchers cannot be read. */
export function filterOf(view: AlertView): AlertFilter | undefined {
  const parsed = parseMatchers(view.matchers);
  if (!parsed.ok) return undefined;
  const matchers = [...parsed.matchers];
  if (view.severities.length > 0) matchers.push(oneOf("severity", view.severities));
  return {
    ...(matchers.length > 0 && { matchers: matchers.map(writeMatcher) }),
    ...(view.states.length > 0 && { states: view.states.map(wireState) }),
    ...(view.conditions.length > 0 && { conditions: [...view.conditions] }),
    ...(view.active && { activeOnly: true }),
  };
}

/** Tells whether anything but the default is asked for. */
export function filtered(view: AlertView): boolean {
  const { matchers, severities, states, conditions, active } = view;
  return matchers !== "" || active || severities.length + states.length + conditions.length > 0;
}

function listed<T extends string>(text: string | null, known: readonly T[]): T[] {
  const chosen = (text ?? "").split(",");
  return known.filter((k) => chosen.includes(k));
}
