import { describe, expect, it } from "vitest";
import {
  formatAgo,
  formatCount,
  formatMoment,
  formatSeconds,
  formatUptime,
  formatValue,
  NO_VALUE,
} from "./format";

describe("formatValue", () => {
  it.each([
    [0, "bytes", "0 B"],
    [0.4, "bytes", "0.4 B"],
    [512, "bytes", "512 B"],
    [1023, "bytes", "1023 B"],
    [1024, "bytes", "1 KiB"],
    [1536, "bytes", "1.5 KiB"],
    [16 * 1024 ** 3, "bytes", "16 GiB"],
    [1_234_567_890, "bytes", "1.15 GiB"],
    [-2048, "bytes", "−2 KiB"],
    [1536, "bytes/s", "1.5 KiB/s"],
    [0, "ratio", "0%"],
    [0.0534, "ratio", "5.34%"],
    [0.534, "ratio", "53.4%"],
    [1, "ratio", "100%"],
    [0.00002, "ratio", "0.002%"],
    [999, "count", "999"],
    [999.96, "count", "1000"],
    [12_345, "count", "12.3k"],
    [1_000_000, "count", "1M"],
    [1.5, "ops/s", "1.5 op/s"],
    [2000, "packets/s", "2k pkt/s"],
    [0.25, "number", "0.25"],
    [2, "number", "2"],
    [-0.0001, "number", "0"],
    [Infinity, "number", "∞"],
    [-Infinity, "bytes", "−∞"],
    [NaN, "bytes", NO_VALUE],
    [null, "bytes", NO_VALUE],
    [undefined, "ratio", NO_VALUE],
  ] as const)("%s as %s is %s", (value, unit, want) => {
    expect(formatValue(value, unit)).toBe(want);
  });
});

describe("formatSeconds", () => {
  it.each([
    [0, "0 s"],
    [0.00004, "40 µs"],
    [0.25, "250 ms"],
    [42, "42 s"],
    [60, "1 min"],
    [95, "1 min 35 s"],
    [3600, "1 h"],
    [5400, "1 h 30 min"],
    [100_000, "1 d 3 h"],
    [-95, "−1 min 35 s"],
  ])("%d is %s", (value, want) => {
    expect(formatSeconds(value)).toBe(want);
  });
});

it.each([
  [0.4, "0 s"],
  [59.6, "59 s"],
  [1241, "20 min"],
  [3_725, "1 h 2 min"],
  [440_000, "5 d 2 h"],
])("writes an uptime of %s s", (seconds, want) => {
  expect(formatUptime(seconds)).toBe(want);
});

describe("moments", () => {
  const now = new Date(2026, 10, 24, 12, 0, 0).getTime();
  it("says how long ago", () => {
    expect(formatAgo(now - 3000, now)).toBe("just now");
    expect(formatAgo(now + 5000, now)).toBe("just now");
    expect(formatAgo(now - 42_900, now)).toBe("42 s ago");
    expect(formatAgo(now - 90_400, now)).toBe("1 min ago");
    expect(formatAgo(now - 7_300_000, now)).toBe("2 h ago");
    expect(formatAgo(now - 200_000_000, now)).toBe("2 d ago");
  });
  it("names the date only where it is another day", () => {
    expect(formatMoment(now - 61_000, now)).toBe("11:58:59");
    expect(formatMoment(now - 86_400_000, now)).toBe("2026-11-23 12:00:00");
  });
});

it("separates thousands of counts", () => {
  expect(formatCount(1234567)).toBe("1,234,567");
});
