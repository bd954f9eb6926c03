import { describe, expect, it } from "vitest";
import { CHART_COLORS } from "../../lib/colors";
import type { Frame } from "../../lib/frame";
import { chartOption, type ChartLook } from "./option";

const frame: Frame = { t: [0, 1000], lines: [{ key: "a", name: "a", hue: "a", v: [1, 2] }] };
const option = (look: ChartLook) =>
  chartOption(frame, { from: 0, to: 1000 }, look, () => "#000000", CHART_COLORS.light, 600) as {
    yAxis: { min: number; max: number };
    series: { id: string; data: unknown; areaStyle?: unknown }[];
  };

describe("limits", () => {
  it("are drawn across the chart, inside of the axis", () => {
    const { series, yAxis } = option({ unit: "number", limits: [90] });
    expect(series.map((s) => s.id)).toEqual(["a", "limit 0"]);
    expect(series[1]?.data).toEqual([
      [0, 90],
      [1000, 90],
    ]);
    expect(yAxis.max).toBeGreaterThan(90);
  });
  it("may lie below zero", () => {
    expect(option({ unit: "number", limits: [-5] }).yAxis.min).toBeLessThan(-5);
  });
  it("are none unless they are given", () => {
    expect(option({ unit: "number" }).series).toHaveLength(1);
    expect(option({ unit: "number" }).yAxis.max).toBe(2);
  });
});

it("leaves the ground below bare lines free", () => {
  expect(option({ unit: "number" }).series[0]).toHaveProperty("areaStyle");
  expect(option({ unit: "number", bare: true }).series[0]).not.toHaveProperty("areaStyle");
});
