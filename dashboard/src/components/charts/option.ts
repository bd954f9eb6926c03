// From a frame to what the drawing library takes.

import type { ChartColors } from "../../lib/colors";
import { formatValue, type Unit } from "../../lib/format";
import type { Frame } from "../../lib/frame";
import { timeTicks, valueScale } from "./axis";
import type { ChartOption } from "./engine";

/** Space around the lines, in pixels: fixed, so that the cursors of all charts of a page agree. */
export const GRID = { left: 72, right: 12, top: 8, bottom: 22 } as const;

/** How a chart looks. */
export interface ChartLook {
  unit: Unit;
  /** Lines lie on each other, their sum is the top. */
  stacked?: boolean;
  /** The axis goes at least so far. */
  atLeast?: number;
  /** Names of lines that are only there to fill the sum. */
  faint?: readonly string[];
  /** The axis goes no further. */
  atMost?: number;
  /** The ground below lines is left free: there may be many, and shaded spans behind them. */
  bare?: boolean;
  /** Values that the lines are compared with: drawn across the chart. */
  limits?: readonly number[];
}

/** Makes the library's option. */
export function chartOption(
  frame: Frame,
  span: { from: number; to: number },
  look: ChartLook,
  colorOf: (index: number) => string,
  colors: ChartColors,
  width: number,
): ChartOption {
  const scale = scaleOf(frame, look);
  const ticks = timeTicks(span.from, span.to, Math.max(2, Math.floor((width - GRID.left - GRID.right) / 80)));
  return {
    animation: false,
    grid: { ...GRID, outerBoundsMode: "none" },
    xAxis: {
      type: "time",
      min: span.from,
      max: span.to,
      axisLine: { lineStyle: { color: colors.grid } },
      axisTick: { show: false, customValues: ticks.map((t) => t.t) },
      axisLabel: {
        color: colors.axis,
        fontSize: 11,
        customValues: ticks.map((t) => t.t),
        formatter: (t: number) => ticks.find((tick) => tick.t === t)?.text ?? "",
      },
      splitLine: { show: false },
    },
    yAxis: {
      type: "value",
      ...scale,
      axisLabel: {
        color: colors.axis,
        fontSize: 11,
        // Two directions share an axis: below zero is the other one, not less.
        formatter: (v: number) => formatValue(Math.abs(v), look.unit),
      },
      splitLine: { lineStyle: { color: colors.grid } },
    },
    series: [
      ...frame.lines.map((line, i) => ({
        id: line.key,
        type: "line" as const,
        name: line.name,
        data: line.v.map((v, j) => [frame.t[j] ?? 0, v]),
        showSymbol: false,
        silent: true,
        connectNulls: false,
        color: colorOf(i),
        lineStyle: { width: look.stacked ? 0.75 : 1.4, join: "round" as const },
        ...(look.stacked
          ? { stack: "all", areaStyle: { opacity: 0.75 } }
          : look.bare
            ? {}
            : { areaStyle: { opacity: 0.08 } }),
      })),
      ...limitLines(look.limits ?? [], span, colors.limit),
    ],
  };
}

function limitLines(limits: readonly number[], span: { from: number; to: number }, color: string) {
  return limits.map((value, i) => ({
    id: `limit ${i}`,
    type: "line" as const,
    data: [
      [span.from, value],
      [span.to, value],
    ],
    showSymbol: false,
    silent: true,
    color,
    z: 3,
    lineStyle: { width: 1.5, type: "dashed" as const },
  }));
}

function scaleOf(frame: Frame, look: ChartLook) {
  let high = look.atLeast ?? 0;
  let low = 0;
  for (const limit of look.limits ?? []) {
    // A little more, so that the line is not the edge.
    high = Math.max(high, limit * 1.05);
    low = Math.min(low, limit * 1.05);
  }
  for (let i = 0; i < frame.t.length; i++) {
    let sum = 0;
    for (const line of frame.lines) {
      const v = line.v[i] ?? 0;
      sum += v;
      high = Math.max(high, v);
      low = Math.min(low, v);
    }
    if (look.stacked) high = Math.max(high, sum);
  }
  if (look.atMost !== undefined) high = Math.min(high, look.atMost);
  return valueScale(low, high, look.unit);
}
