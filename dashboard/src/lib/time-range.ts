// The time range of a page: what its charts show. It lives in the URL, so that a
// link shows another person the same.

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

/** The last so many milliseconds, or a fixed span in Unix milliseconds. */
export type TimeRange = { kind: "last"; ms: number } | { kind: "between"; from: number; to: number };

/** A range, and whether it moves on with the clock. A fixed span never does. */
export interface TimeSelection {
  range: TimeRange;
  live: boolean;
}

/** A choice of the picker. */
export interface Preset {
  key: string;
  label: string;
  ms: number;
}

/** The choices of the picker, by length. */
export const PRESETS: readonly Preset[] = [
  { key: "5m", label: "Last 5 minutes", ms: 5 * MINUTE },
  { key: "15m", label: "Last 15 minutes", ms: 15 * MINUTE },
  { key: "30m", label: "Last 30 minutes", ms: 30 * MINUTE },
  { key: "1h", label: "Last hour", ms: HOUR },
  { key: "3h", label: "Last 3 hours", ms: 3 * HOUR },
  { key: "6h", label: "Last 6 hours", ms: 6 * HOUR },
  { key: "12h", label: "Last 12 hours", ms: 12 * HOUR },
  { key: "24h", label: "Last 24 hours", ms: 24 * HOUR },
  { key: "7d", label: "Last 7 days", ms: 7 * 24 * HOUR },
];

export const DEFAULT_SELECTION: TimeSelection = { range: { kind: "last", ms: 15 * MINUTE }, live: true };

/** Shortest and longest span that can be chosen. */
export const MIN_SPAN = 10 * SECOND;
export const MAX_SPAN = 31 * 24 * HOUR;

/** Reads the selection from the URL; what makes no sense gives the default. */
export function parseSelection(params: URLSearchParams, standard = DEFAULT_SELECTION): TimeSelection {
  const from = Date.parse(params.get("from") ?? "");
  const to = Date.parse(params.get("to") ?? "");
  if (validSpan(from, to)) return { range: { kind: "between", from, to }, live: false };
  const preset = PRESETS.find((p) => p.key === params.get("last"));
  const range = preset ? ({ kind: "last", ms: preset.ms } as const) : standard.range;
  return { range, live: params.get("live") !== "0" };
}

/** Writes the selection into URL parameters; others are kept, defaults left out. */
export function writeSelection(
  params: URLSearchParams,
  selection: TimeSelection,
  standard = DEFAULT_SELECTION,
): URLSearchParams {
  const out = new URLSearchParams(params);
  for (const key of ["from", "to", "last", "live"]) out.delete(key);
  const { range, live } = selection;
  if (range.kind === "between") {
    out.set("from", iso(range.from));
    out.set("to", iso(range.to));
    return out;
  }
  const isDefault = standard.range.kind === "last" && standard.range.ms === range.ms;
  const preset = PRESETS.find((p) => p.ms === range.ms);
  if (preset && !isDefault) out.set("last", preset.key);
  if (!live) out.set("live", "0");
  return out;
}

/** Tells whether a span can be shown. */
export function validSpan(from: number, to: number): boolean {
  return to - from >= MIN_SPAN && to - from <= MAX_SPAN;
}

/** Returns the first and last moment of the range. */
export function bounds(range: TimeRange, now: number): { from: number; to: number } {
  return range.kind === "between" ? range : { from: now - range.ms, to: now };
}

/** Names the range for people. */
export function describeRange(range: TimeRange): string {
  if (range.kind === "last") {
    return PRESETS.find((p) => p.ms === range.ms)?.label ?? `Last ${range.ms / MINUTE} minutes`;
  }
  return `${localMinute(range.from)} – ${localMinute(range.to)}`;
}

/** Writes a moment as a datetime-local field takes it. */
export function toLocalField(ms: number): string {
  return localMinute(ms).replace(" ", "T");
}

/** Reads a datetime-local field; NaN if it is not filled in. */
export function fromLocalField(text: string): number {
  return new Date(text).getTime();
}

const STEPS = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400].map((s) => s * SECOND);
const POINTS = 240;

/**
 * Returns the distance between points that suits a span: about as many points as
 * a chart has room for, at steps that fall on round times.
 */
export function stepOf(span: number): number {
  return STEPS.find((step) => span / step <= POINTS) ?? 14_400 * SECOND;
}

/**
 * Returns over how long a rate is computed. Four intervals of the probe bear a
 * lost sample; at wide steps nothing between two points may be passed over.
 */
export function rateWindow(step: number, interval: number): number {
  return Math.max(4 * interval, step + interval);
}

function iso(ms: number): string {
  return new Date(ms).toISOString().replace(".000Z", "Z");
}

function localMinute(ms: number): string {
  const d = new Date(ms);
  const two = (n: number) => String(n).padStart(2, "0");
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}`;
}
