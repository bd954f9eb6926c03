// Reading protobuf's JSON form: 64-bit integers are strings, NaN and the
// infinities are strings, and a field at its zero value may be left out.

/** Reads a double. */
export function double(value: number | string | undefined): number {
  if (value === undefined) return 0;
  return typeof value === "number" ? value : Number(value);
}

/** Reads a 64-bit integer; exact up to 2^53, which times and counts stay below. */
export function int64(value: number | string | undefined): number {
  return value === undefined ? 0 : Number(value);
}

/** Reads a timestamp as Unix milliseconds; undefined if there is none. */
export function timestamp(value: string | undefined): number | undefined {
  if (!value) return undefined;
  const ms = Date.parse(value);
  return Number.isNaN(ms) ? undefined : ms;
}

/** Reads a duration, such as "90s" or "0.5s", as seconds; undefined if there is none. */
export function seconds(value: string | undefined): number | undefined {
  if (!value) return undefined;
  const n = Number(value.replace(/s$/, ""));
  return Number.isNaN(n) ? undefined : n;
}

/** Writes a duration. */
export function durationOf(seconds: number): string {
  return `${Math.round(seconds * 1000) / 1000}s`;
}
