// A measure says what the lines of a chart are: one description, from which come
// the PromQL of the past and the arithmetic on the samples that arrive.

import { accepts, duration, equals, select, type Matcher } from "./promql";
import type { Labels } from "./labels";
import { rateWindow } from "./time-range";

/** Metric and matchers, such as system_cpu_time_seconds_total{cpu_mode!="idle"}. */
export interface Source {
  metric: string;
  where?: readonly Matcher[];
}

/** What the lines of a chart are. */
export interface Measure extends Source {
  /** A counter is shown as its increase a second. */
  kind: "gauge" | "counter";
  /** How the series of one line become one. */
  aggregate: "sum" | "avg" | "max";
  /** Labels whose values make one line each. */
  by: readonly string[];
  /** How often the probe reads it unless configured otherwise, milliseconds. */
  interval: number;
  /** Gauges whose sum the value is a share of; of the same lines. */
  shareOf?: Source;
  /** Drawn below zero, to tell two directions apart. */
  negative?: boolean;
  /** Names of lines in the order in which they are drawn; others come after. */
  order?: readonly string[];
  /** Names a line for people. */
  name: (labels: Labels) => string;
}

/** Writes the selector of a source for the series that the matchers are of. */
export function selector(source: Source, of: readonly Matcher[]): string {
  return select(source.metric, [...of, ...(source.where ?? [])]);
}

/** Tells whether a series is one of the source's. */
export function isOf(source: Source, labels: Labels): boolean {
  return accepts([equals("__name__", source.metric), ...(source.where ?? [])], labels);
}

/** Returns over how long the values at one point look back; 0: only the last. */
export function windowOf(measure: Measure, step: number): number {
  if (measure.kind === "counter") return rateWindow(step, measure.interval);
  // Points far apart show the average of what lies between them.
  return step > 2 * measure.interval ? step : 0;
}

/** Writes the query of the past. */
export function rangeQuery(measure: Measure, of: readonly Matcher[], step: number): string {
  const value = grouped(measure, measure, of, step, measure.aggregate);
  if (!measure.shareOf) return value;
  return `${value} / ${grouped(measure, measure.shareOf, of, step, "sum")}`;
}

function grouped(
  measure: Measure,
  source: Source,
  of: readonly Matcher[],
  step: number,
  aggregate: string,
): string {
  const window = windowOf(measure, step);
  const range = `${selector(source, of)}[${duration(window)}]`;
  const inner =
    measure.kind === "counter"
      ? `rate(${range})`
      : window > 0
        ? `avg_over_time(${range})`
        : selector(source, of);
  return measure.by.length > 0
    ? `${aggregate} by (${measure.by.join(", ")}) (${inner})`
    : `${aggregate}(${inner})`;
}
