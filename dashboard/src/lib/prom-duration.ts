/** Writes seconds as rule files have durations: 1h30m. */
export function promDuration(total: number): string {
  if (total === 0) return "0s";
  let ms = Math.round(total * 1000);
  let text = "";
  for (const [unit, size] of UNITS) {
    const n = Math.floor(ms / size);
    if (n > 0) text += `${n}${unit}`;
    ms -= n * size;
  }
  return text;
}

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
] as const;
