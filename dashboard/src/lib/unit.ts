// Values in the units that metrics are described with, as UCUM codes.

import { formatValue, type Unit } from "./format";

/** Returns how values of the unit are written. */
export function unitOf(ucum: string | undefined): Unit {
  switch (ucum) {
    case "By":
      return "bytes";
    case "By/s":
      return "bytes/s";
    case "1":
      return "ratio";
    case "s":
      return "seconds";
    case "{operation}/s":
      return "ops/s";
    case "{packet}/s":
      return "packets/s";
  }
  if (ucum?.endsWith("}/s")) return "/s";
  return ucum?.startsWith("{") ? "count" : "number";
}

/** Writes a value in its unit; what has no way of its own is followed by the code. */
export function formatMeasured(value: number, ucum: string | undefined): string {
  const unit = unitOf(ucum);
  const text = formatValue(value, unit);
  return unit === "number" && ucum && Number.isFinite(value) ? `${text} ${ucum}` : text;
}

/** Writes what a value is compared with, such as "> 0.9", in the value's unit. */
export function formatThreshold(threshold: string, ucum: string | undefined): string {
  const [, op, number] = /^\s*([<>=!]{1,2})\s*(\S+)\s*$/.exec(threshold) ?? [];
  const value = Number(number);
  if (op === undefined || number === undefined || Number.isNaN(value)) return threshold;
  return `${signs[op] ?? op} ${formatMeasured(value, ucum)}`;
}

const signs: Readonly<Record<string, string>> = { ">=": "≥", "<=": "≤", "==": "=", "!=": "≠" };
