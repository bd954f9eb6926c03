import { expect, it } from "vitest";
import { double, durationOf, int64, seconds, timestamp } from "./proto-json";

it("reads doubles, also those that JSON has no number for", () => {
  expect(double(1.5)).toBe(1.5);
  expect(double("NaN")).toBeNaN();
  expect(double("Infinity")).toBe(Infinity);
  expect(double("-Infinity")).toBe(-Infinity);
  expect(double(undefined)).toBe(0);
});

it("reads 64-bit integers", () => {
  expect(int64("1764000000123")).toBe(1764000000123);
  expect(int64(undefined)).toBe(0);
});

it("reads timestamps", () => {
  expect(timestamp("2026-11-24T04:00:00.5Z")).toBe(Date.UTC(2026, 10, 24, 4, 0, 0, 500));
  expect(timestamp(undefined)).toBeUndefined();
  expect(timestamp("soon")).toBeUndefined();
});

it("reads and writes durations", () => {
  expect(seconds("90s")).toBe(90);
  expect(seconds("0.0042s")).toBe(0.0042);
  expect(seconds(undefined)).toBeUndefined();
  expect(seconds("soon")).toBeUndefined();
  expect(durationOf(3600)).toBe("3600s");
  expect(durationOf(0.25)).toBe("0.25s");
});
