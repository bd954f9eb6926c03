// Lines of any expression: the names come from what tells its series apart.

import { groupKey, type Labels, type SeriesData } from "./labels";
import type { Frame } from "./frame";

/** Makes a frame of the answer to a range query, and names its lines. */
export function frameOfSeries(
  series: readonly SeriesData[],
  grid: { from: number; to: number; step: number },
): Frame {
  const count = Math.floor((grid.to - grid.from) / grid.step) + 1;
  const t = Array.from({ length: count }, (_, i) => grid.from + i * grid.step);
  const names = lineNames(series.map((s) => s.labels));
  const lines = series.map((s, i) => {
    const v = new Array<number | null>(count).fill(null);
    s.t.forEach((time, j) => {
      const at = Math.round((time - grid.from) / grid.step);
      const value = s.v[j];
      if (at >= 0 && at < count && value !== undefined && Number.isFinite(value)) v[at] = value;
    });
    const key = groupKey(s.labels, Object.keys(s.labels).sort()) + Object.keys(s.labels).sort().join();
    return { key, name: names[i] ?? "", hue: key, v };
  });
  return { t, lines: lines.sort((a, b) => collator.compare(a.name, b.name)) };
}

const collator = new Intl.Collator("en", { numeric: true });

/** Labels that say the same as another, or that nobody reads. */
const QUIET = new Set(["host_id", "__name__"]);

/** Returns a short name for each label set: the labels that differ. */
export function lineNames(sets: readonly Labels[]): string[] {
  const all = [...new Set(sets.flatMap((labels) => Object.keys(labels)))];
  const differ = all.filter((name) => new Set(sets.map((labels) => labels[name] ?? "")).size > 1);
  const loud = differ.filter((name) => !QUIET.has(name));
  // Host ids alone tell two hosts of one name apart.
  const telling = new Set(sets.map((labels) => groupKey(labels, loud))).size === sets.length ? loud : differ;
  return sets.map((labels) => {
    const parts = telling
      .filter((name) => labels[name])
      .sort(hostFirst)
      .map((name) => labels[name] ?? "");
    return parts.length > 0 ? parts.join(" ") : (labels.host_name ?? labels.__name__ ?? "value");
  });
}

function hostFirst(a: string, b: string): number {
  return Number(b === "host_name") - Number(a === "host_name");
}

/**
 * Keeps an expression over a fleet from giving more lines than can be drawn: at
 * each moment only the values that are nearest to what the rule looks for.
 */
export function bounded(query: string, lowest: boolean, lines = 20): string {
  return `${lowest ? "bottomk" : "topk"}(${lines}, ${query}\n)`;
}
