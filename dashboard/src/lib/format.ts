// How numbers, sizes and times are written, the same on every page.

/** What a value measures; decides how it is written. */
export type Unit =
  | "bytes"
  | "bytes/s"
  | "ratio" // 0 to 1, shown as a percentage
  | "seconds"
  | "ops/s"
  | "packets/s"
  | "/s"
  | "count"
  | "number";

/** Shown where there is no value. */
export const NO_VALUE = "–";

const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const DECIMAL = ["", "k", "M", "G", "T", "P"];

/** Writes a value in its unit. */
export function formatValue(value: number | null | undefined, unit: Unit): string {
  if (value === null || value === undefined || Number.isNaN(value)) return NO_VALUE;
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  switch (unit) {
    case "bytes":
      return formatBytes(value);
    case "bytes/s":
      return `${formatBytes(value)}/s`;
    case "ratio":
      return formatRatio(value);
    case "seconds":
      return formatSeconds(value);
    case "ops/s":
      return `${formatShort(value)} op/s`;
    case "packets/s":
      return `${formatShort(value)} pkt/s`;
    case "/s":
      return `${formatShort(value)}/s`;
    case "count":
      return formatShort(value);
    case "number":
      return formatPlain(value);
  }
}

/** Writes a number of bytes with a binary prefix: 1.5 GiB. */
export function formatBytes(value: number): string {
  return scale(value, 1024, BINARY, " ");
}

/** Writes a large number with a decimal prefix: 12.3k. */
export function formatShort(value: number): string {
  if (Math.abs(value) < 1000) return formatPlain(value);
  return scale(value, 1000, DECIMAL, "");
}

/** Writes a share of 1 as a percentage. */
export function formatRatio(value: number): string {
  return `${digits(value * 100)}%`;
}

/** Writes a whole number with thousands separators. */
export function formatCount(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** Writes a duration given in seconds with its two largest units: 3 d 4 h. */
export function formatSeconds(value: number): string {
  const sign = value < 0 ? "−" : "";
  const s = Math.abs(value);
  if (s === 0) return "0 s";
  if (s < 1e-3) return `${sign}${digits(s * 1e6)} µs`;
  if (s < 1) return `${sign}${digits(s * 1e3)} ms`;
  if (s < 60) return `${sign}${digits(s)} s`;
  const whole = Math.round(s);
  if (whole < 3600) return sign + two(whole, 60, "min", 1, "s");
  if (whole < 86_400) return sign + two(whole, 3600, "h", 60, "min");
  return sign + two(whole, 86_400, "d", 3600, "h");
}

/** Writes for how long something runs; nobody counts the seconds of an hour. */
export function formatUptime(seconds: number): string {
  return formatSeconds(seconds < 60 ? Math.floor(seconds) : Math.floor(seconds / 60) * 60);
}

/** Writes how long ago a moment was, both in Unix milliseconds, in its largest unit. */
export function formatAgo(then: number, now: number): string {
  const s = Math.floor((now - then) / 1000);
  if (s < 10) return "just now";
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ago`;
  return `${Math.floor(s / 86_400)} d ago`;
}

/** Writes a moment: the time of day, and the date where it is another day. */
export function formatMoment(ms: number, now: number): string {
  const date = new Date(ms);
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  if (date.toDateString() === new Date(now).toDateString()) return time;
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${time}`;
}

function two(s: number, big: number, bigName: string, small: number, smallName: string): string {
  const a = Math.floor(s / big);
  const b = Math.floor((s % big) / small);
  return b === 0 ? `${a} ${bigName}` : `${a} ${bigName} ${b} ${smallName}`;
}

function scale(value: number, base: number, names: string[], gap: string): string {
  const abs = Math.abs(value);
  let i = 0;
  // 999.95 would round up to 1000: it belongs to the next prefix already.
  while (i < names.length - 1 && abs / base ** i >= base - 0.05 * (base / 1000)) i++;
  const scaled = value / base ** i;
  // A part of a byte is noise.
  const text = i === 0 && base === 1024 ? trim(scaled.toFixed(abs < 10 ? 1 : 0)) : digits(scaled);
  return `${text}${gap}${names[i] ?? ""}`.trimEnd();
}

function formatPlain(value: number): string {
  return digits(value);
}

/** Three significant digits, never in exponent form, no trailing zeros. */
function digits(value: number): string {
  const abs = Math.abs(value);
  const places = abs >= 100 ? 0 : abs >= 10 ? 1 : abs >= 0.01 || abs === 0 ? 2 : 3;
  return trim(value.toFixed(places)).replace("-", "−");
}

function trim(text: string): string {
  const short = text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  return short === "-0" ? "0" : short;
}

function pad(n: number): string {
  return String(n).padStart(2, "0");
}
