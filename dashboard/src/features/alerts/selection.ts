// Several alerts at once: what they have in common.

import type { Alert } from "../../api/schema";
import { equals, oneOf, type Matcher } from "../../lib/promql";

/** A matcher with more values than this says nothing to people. */
const MAX_VALUES = 20;

/** Labels that may differ among the alerts of one silence. */
const MAY_DIFFER = ["alertname", "host_name"];

/**
 * Returns matchers of a silence that hides all of the alerts, and as little else as
 * can be said in few words: the labels that all have, and names and hosts of each.
 */
export function silenceMatchers(alerts: readonly Alert[]): Matcher[] {
  const names = Object.keys(alerts[0]?.labels ?? {}).sort();
  return names.flatMap((name) => {
    const values = new Set(alerts.map((a) => a.labels?.[name]));
    if (values.has(undefined)) return [];
    const all = [...values] as string[];
    const [only] = all;
    if (all.length === 1 && only !== undefined) return [equals(name, only)];
    return MAY_DIFFER.includes(name) && all.length <= MAX_VALUES ? [oneOf(name, all.sort())] : [];
  });
}
