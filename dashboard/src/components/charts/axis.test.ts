import { describe, expect, it } from "vitest";
import { HOUR, MINUTE, SECOND } from "../../lib/time-range";
import { timeTicks, valueScale } from "./axis";

describe("valueScale", () => {
  it.each([
    [0, 0.93, "ratio", { min: 0, max: 1, interval: 0.25 }],
    [0, 0.021, "ratio", { min: 0, max: 0.03, interval: 0.01 }],
    [0, 7, "number", { min: 0, max: 8, interval: 2 }],
    [0, 16 * 1024 ** 3, "bytes", { min: 0, max: 16 * 1024 ** 3, interval: 4 * 1024 ** 3 }],
    [0, 900, "bytes/s", { min: 0, max: 1024, interval: 256 }],
    [-300, 90, "number", { min: -300, max: 100, interval: 100 }],
    [0, 0, "number", { min: 0, max: 1, interval: 0.25 }],
    [0, 0, "ratio", { min: 0, max: 0.01, interval: 0.0025 }],
  ] as const)("for %d to %d as %s", (low, high, unit, want) => {
    const got = valueScale(low, high, unit);
    expect(got.min).toBeCloseTo(want.min);
    expect(got.max).toBeCloseTo(want.max);
    expect(got.interval).toBeCloseTo(want.interval);
  });
  it("holds the values", () => {
    for (let i = 1; i < 2000; i++) {
      const high = i ** 3 / 7;
      const { max, interval } = valueScale(0, high, i % 2 ? "bytes" : "number");
      expect(max).toBeGreaterThanOrEqual(high);
      expect(max / interval).toBeLessThanOrEqual(5);
    }
  });
});

describe("timeTicks", () => {
  const noon = new Date(2026, 10, 24, 12, 0, 3).getTime();
  it("lies on round times", () => {
    expect(timeTicks(noon, noon + 15 * MINUTE, 5).map((t) => t.text)).toEqual(["12:05", "12:10", "12:15"]);
    expect(timeTicks(noon, noon + 20 * SECOND, 5).map((t) => t.text)).toEqual([
      "12:00:05",
      "12:00:10",
      "12:00:15",
      "12:00:20",
    ]);
  });
  it("names the day at midnight", () => {
    expect(timeTicks(noon, noon + 24 * HOUR, 5).map((t) => t.text)).toEqual([
      "18:00",
      "11-25",
      "06:00",
      "12:00",
    ]);
  });
  it("is never more than there is room for", () => {
    for (let span = SECOND; span < 40 * 24 * HOUR; span *= 1.7) {
      expect(timeTicks(noon, noon + span, 6).length).toBeLessThanOrEqual(7);
    }
  });
});
