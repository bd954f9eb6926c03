// What a chart draws: lines over common points in time. Stacked lines need the
// same points, so gaps are null in the line and not missing points.

import { groupKey, pick, type Labels, type SeriesData } from "./labels";
import type { Measure } from "./measure";

/** One line of a chart. */
export interface Line {
  /** The same for the same line in every frame of a chart. */
  key: string;
  name: string;
  /** Lines with the same hue are of one thing and have one colour. */
  hue: string;
  /** As long as the frame's t. */
  v: (number | null)[];
}

/** Lines over points in time, Unix milliseconds, ascending. */
export interface Frame {
  t: number[];
  lines: Line[];
}

export const EMPTY_FRAME: Frame = { t: [], lines: [] };

/** Returns what identifies the line that a series of the m-th measure belongs to. */
export function identify(measures: readonly Measure[], m: number, labels: Labels): Omit<Line, "v"> {
  const measure = measures[m];
  if (!measure) throw new Error(`there is no measure ${m}`);
  const group = groupKey(labels, measure.by);
  const key = `${m}:${group}`;
  // Two directions of one thing, above and below zero.
  const paired = measures.some((other) => other.negative);
  return { key, name: measure.name(labels), hue: paired ? group : key };
}

/** Makes a frame of the answers to the range queries of the measures. */
export function frameOf(
  measures: readonly Measure[],
  results: readonly SeriesData[][],
  grid: { from: number; to: number; step: number },
): Frame {
  const count = Math.floor((grid.to - grid.from) / grid.step) + 1;
  const t = Array.from({ length: count }, (_, i) => grid.from + i * grid.step);
  const lines = measures.flatMap((measure, m) => {
    const ofMeasure = (results[m] ?? []).map((series): Line => {
      const v = new Array<number | null>(count).fill(null);
      series.t.forEach((time, i) => {
        const at = Math.round((time - grid.from) / grid.step);
        if (at >= 0 && at < count) v[at] = drawn(series.v[i], measure);
      });
      const labels = pick(series.labels, measure.by);
      return { ...identify(measures, m, labels), v };
    });
    return ofMeasure.sort((a, b) => compareNames(a.name, b.name, measure.order ?? []));
  });
  return { t, lines };
}

const collator = new Intl.Collator("en", { numeric: true });

function compareNames(a: string, b: string, order: readonly string[]): number {
  const place = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length);
  return place(a) - place(b) || collator.compare(a, b);
}

/** Keeps the lines that reach furthest from zero, and says how many were left out. */
export function largest(frame: Frame, count: number): { frame: Frame; hidden: number } {
  if (frame.lines.length <= count) return { frame, hidden: 0 };
  const peak = (line: Line) => line.v.reduce<number>((max, v) => Math.max(max, Math.abs(v ?? 0)), 0);
  const ranked = frame.lines.map((line) => ({ line, peak: peak(line) })).sort((a, b) => b.peak - a.peak);
  const kept = new Set(ranked.slice(0, count).map((r) => r.line));
  return {
    frame: { t: frame.t, lines: frame.lines.filter((l) => kept.has(l)) },
    hidden: frame.lines.length - count,
  };
}

/** Returns the value as it is drawn: null for what is no number. */
export function drawn(value: number | undefined, measure: Measure): number | null {
  if (value === undefined || !Number.isFinite(value)) return null;
  return measure.negative ? -value : value;
}

/** One point in time of the end of a chart. */
export interface Row {
  t: number;
  values: ReadonlyMap<string, number | null>;
}

/**
 * Appends to a frame the rows after its last point. Where two points are further
 * apart than maxGap, the lines are broken between them. Lines that only the rows
 * know are added as known says.
 */
export function append(
  frame: Frame,
  rows: readonly Row[],
  known: ReadonlyMap<string, Omit<Line, "v">>,
  maxGap: number,
): Frame {
  const last = frame.t.at(-1) ?? -Infinity;
  const fresh = rows.filter((row) => row.t > last);
  if (fresh.length === 0) return frame;
  const t = [...frame.t];
  const lines = new Map(frame.lines.map((line) => [line.key, { ...line, v: [...line.v] }]));
  for (const [key, identity] of known) {
    if (!lines.has(key)) lines.set(key, { ...identity, v: new Array<number | null>(t.length).fill(null) });
  }
  for (const row of fresh) {
    const before = t.at(-1);
    if (before !== undefined && row.t - before > maxGap) {
      t.push(before + 1);
      for (const line of lines.values()) line.v.push(null);
    }
    t.push(row.t);
    for (const line of lines.values()) line.v.push(row.values.get(line.key) ?? null);
  }
  return { t, lines: [...lines.values()] };
}

/** Drops the points before a moment, but for the one that the line comes from. */
export function since(frame: Frame, from: number): Frame {
  const first = frame.t.findIndex((t) => t >= from);
  const cut = first < 0 ? frame.t.length : Math.max(0, first - 1);
  if (cut === 0) return frame;
  return { t: frame.t.slice(cut), lines: frame.lines.map((line) => ({ ...line, v: line.v.slice(cut) })) };
}

/** Returns the index of the point nearest to a moment, -1 if there is none. */
export function nearest(t: readonly number[], at: number): number {
  if (t.length === 0) return -1;
  let low = 0;
  let high = t.length - 1;
  while (low < high) {
    const mid = (low + high) >> 1;
    if ((t[mid] ?? 0) < at) low = mid + 1;
    else high = mid;
  }
  const before = t[low - 1];
  const after = t[low] ?? 0;
  return before !== undefined && at - before <= after - at ? low - 1 : low;
}

/** Returns the last value of a line that is there, looking at most back points back. */
export function lastValue(line: Line, back = 30): number | null {
  for (let i = line.v.length - 1; i >= 0 && i >= line.v.length - 1 - back; i--) {
    const v = line.v[i];
    if (v !== null && v !== undefined) return v;
  }
  return null;
}
