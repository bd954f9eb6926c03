// Round numbers for the axes.

import type { Unit } from "../../lib/format";
import { HOUR, MINUTE, SECOND } from "../../lib/time-range";

/** Bounds and distance of the labels of a value axis. */
export interface Scale {
  min: number;
  max: number;
  interval: number;
}

/**
 * Returns a scale for values between low and high that changes seldom while they
 * move: its bounds are round, and zero is always on it.
 */
export function valueScale(low: number, high: number, unit: Unit, parts = 4): Scale {
  const top = Math.max(0, high);
  const bottom = Math.min(0, low);
  const span = top - bottom || (unit === "ratio" ? 0.01 : 1);
  const interval = roundUp(span / parts, unit);
  return {
    min: Math.floor(bottom / interval + 1e-9) * interval || 0,
    max: Math.max(1, Math.ceil((top === 0 && bottom === 0 ? span : top) / interval - 1e-9)) * interval,
    interval,
  };
}

function roundUp(value: number, unit: Unit): number {
  const base = unit === "bytes" || unit === "bytes/s" ? 1024 : 10;
  const steps = base === 1024 ? [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024] : [1, 2, 2.5, 5, 10];
  const power = base ** Math.floor(Math.log(value) / Math.log(base) + 1e-9);
  const step = steps.find((s) => s * power >= value * (1 - 1e-9)) ?? base;
  return step * power;
}

const TIME_STEPS = [
  ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12, 24, 48, 96, 168].map((n) => n * HOUR),
];

/** A label of the time axis. */
export interface Tick {
  t: number;
  text: string;
}

/** Returns labels at round local times, as many as there is room for. */
export function timeTicks(from: number, to: number, room: number): Tick[] {
  const step = TIME_STEPS.find((s) => (to - from) / s <= room) ?? 168 * HOUR;
  // Round in local time: days begin at the viewer's midnight.
  const shift = -new Date(from).getTimezoneOffset() * MINUTE;
  const ticks: Tick[] = [];
  for (let t = Math.ceil((from + shift) / step) * step - shift; t <= to; t += step)
    ticks.push({ t, text: tickText(t, step) });
  return ticks;
}

function tickText(t: number, step: number): string {
  const d = new Date(t);
  const two = (n: number) => String(n).padStart(2, "0");
  const midnight = d.getHours() === 0 && d.getMinutes() === 0 && d.getSeconds() === 0;
  if (midnight && step >= 10 * MINUTE) return `${two(d.getMonth() + 1)}-${two(d.getDate())}`;
  const time = `${two(d.getHours())}:${two(d.getMinutes())}`;
  return step < MINUTE ? `${time}:${two(d.getSeconds())}` : time;
}
