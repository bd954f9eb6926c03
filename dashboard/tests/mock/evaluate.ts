// Answers the queries that the page asks, by their form; it is no PromQL engine.

import { groupKey, pick, type Labels } from "../../src/lib/labels";
import { accepts, type Matcher } from "../../src/lib/promql";
import { seriesOfHost, type MadeSeries } from "./metrics";

interface Answer {
  labels: Labels;
  samples: { timestampMs: string; value: number | string }[];
}

/** The hosts there are, by their entity labels. */
export type Hosts = readonly Labels[];

/** Returns the series that a selector matches. */
export function match(selector: string, hosts: Hosts): MadeSeries[] {
  const [, name = "", inside = ""] = /^([a-z0-9_]+)(?:\{(.*)\})?$/.exec(selector) ?? [];
  const matchers = parseMatchers(inside);
  const ofHosts = matchers.filter((m) => m.label.startsWith("host_"));
  return hosts
    .filter((host) => accepts(ofHosts, host))
    .flatMap((host) => seriesOfHost(name, host))
    .filter((s) => accepts(matchers, s.labels));
}

/** Evaluates an expression at moments. */
export function evaluate(expression: string, times: readonly number[], hosts: Hosts): Answer[] {
  const raw = /^(.+)\[(\d+)([sm])\]$/.exec(expression);
  if (raw)
    return history(
      match(raw[1] ?? "", hosts),
      times[0] ?? 0,
      Number(raw[2]) * (raw[3] === "m" ? 60_000 : 1000),
    );
  const [selector = "", below] = expression.match(/[a-z0-9_]{6,}(?:\{[^{}]*\})/g) ?? [];
  const [, width = "0", unit] = /\[(\d+)([smh])\]/.exec(expression) ?? [];
  const window = Number(width) * (unit === "h" ? 3_600_000 : unit === "m" ? 60_000 : 1000);
  const by = /by \(([^)]*)\)/.exec(expression)?.[1]?.split(", ");
  const parts = grouped(match(selector, hosts), by, expression.includes("avg"), window);
  // Something divided by something: the parts of a whole that contains them.
  const wholes =
    below && expression.includes(" / ") ? grouped(match(below, hosts), by, false, window) : undefined;
  return [...parts].map(([key, part]) => ({
    labels: part.labels,
    samples: times.map((t) => {
      const value = wholes ? part.value(t) / (wholes.get(key)?.value(t) ?? NaN) : part.value(t);
      return { timestampMs: String(t), value: expression.includes("1 - ") ? 1 - value : value };
    }),
  }));
}

function grouped(series: MadeSeries[], by: readonly string[] | undefined, average: boolean, window: number) {
  const groups = new Map<string, MadeSeries[]>();
  for (const s of series) {
    const key = groupKey(s.labels, by ?? Object.keys(s.labels));
    groups.set(key, [...(groups.get(key) ?? []), s]);
  }
  return new Map(
    [...groups].map(([key, members]) => {
      const labels = by ? pick(members[0]?.labels ?? {}, by) : (members[0]?.labels ?? {});
      const value = (t: number) =>
        members.reduce((sum, m) => sum + shown(m, t, window), 0) / (average ? members.length : 1);
      return [key, { labels, value }] as const;
    }),
  );
}

/** The value as a chart shows it: of a counter, its rate over the window. */
function shown(series: MadeSeries, t: number, window: number): number {
  if (!series.counter) return series.value(t);
  return ((series.value(t) - series.value(t - window)) / window) * 1000;
}

function history(series: MadeSeries[], now: number, back: number): Answer[] {
  return series.map((s) => {
    const samples = [];
    for (let t = Math.ceil((now - back) / 10_000) * 10_000; t <= now; t += 10_000) {
      samples.push({ timestampMs: String(t), value: s.value(t) });
    }
    return { labels: s.labels, samples };
  });
}

function parseMatchers(text: string): Matcher[] {
  return [...text.matchAll(/([a-z0-9_]+)(=~|!~|!=|=)"((?:[^"\\]|\\.)*)"/g)].map(
    ([, label = "", op, value = ""]) => ({
      label,
      op: op as Matcher["op"],
      value: value.replace(/\\(.)/g, "$1"),
    }),
  );
}
