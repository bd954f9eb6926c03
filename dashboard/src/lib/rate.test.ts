import { describe, expect, it } from "vitest";
import { GaugeState, LOOKBACK, RateState } from "./rate";

const feed = (state: { push(t: number, v: number): boolean }, samples: [number, number][]) =>
  samples.map(([t, v]) => state.push(t, v));

describe("RateState", () => {
  it("has no value before the second sample", () => {
    const rate = new RateState(40_000);
    expect(rate.at(0)).toBeUndefined();
    rate.push(10_000, 100);
    expect(rate.at(10_000)).toBeUndefined();
    rate.push(20_000, 150);
    expect(rate.at(20_000)).toBe(5);
  });

  it("averages over the window only", () => {
    const rate = new RateState(40_000);
    feed(rate, [
      [0, 0],
      [10_000, 1000],
      [20_000, 1000],
      [30_000, 1000],
      [40_000, 1000],
      [50_000, 1010],
    ]);
    // (10 s, 50 s]: the jump lies before the first sample of the window.
    expect(rate.at(50_000)).toBeCloseTo(10 / 30);
    expect(rate.at(30_000)).toBeCloseTo(1000 / 30);
  });

  it("takes a lower value for a new start at zero", () => {
    const rate = new RateState(60_000);
    feed(rate, [
      [0, 1000],
      [10_000, 1100],
      [20_000, 30],
      [30_000, 130],
    ]);
    expect(rate.at(30_000)).toBeCloseTo((100 + 30 + 100) / 30);
  });

  it("ends with a stale marker and begins anew after it", () => {
    const rate = new RateState(60_000);
    feed(rate, [
      [0, 0],
      [10_000, 100],
      [20_000, NaN],
    ]);
    expect(rate.at(20_000)).toBeUndefined();
    rate.push(30_000, 5000);
    expect(rate.at(30_000)).toBeUndefined();
    rate.push(40_000, 5010);
    expect(rate.at(40_000)).toBe(1);
  });

  it("ignores what is not newer", () => {
    const rate = new RateState(60_000);
    const taken = feed(rate, [
      [10_000, 100],
      [10_000, 900],
      [5000, 900],
      [20_000, 110],
    ]);
    expect(taken).toEqual([true, false, false, true]);
    expect(rate.at(20_000)).toBe(1);
  });

  it("has no value once the samples are older than the window", () => {
    const rate = new RateState(40_000);
    feed(rate, [
      [0, 0],
      [10_000, 100],
    ]);
    expect(rate.at(60_000)).toBeUndefined();
  });

  it("keeps no more than it needs", () => {
    const rate = new RateState(40_000);
    for (let i = 0; i < 10_000; i++) rate.push(i * 1000, i);
    expect(rate["times"].length).toBeLessThanOrEqual(81);
    expect(rate.at(9_999_000)).toBe(1);
  });
});

describe("GaugeState", () => {
  it("holds its value for the lookback", () => {
    const gauge = new GaugeState();
    gauge.push(1000, 7);
    expect(gauge.at(1000)).toBe(7);
    expect(gauge.at(1000 + LOOKBACK - 1)).toBe(7);
    expect(gauge.at(1000 + LOOKBACK)).toBeUndefined();
  });
  it("ends with a stale marker", () => {
    const gauge = new GaugeState();
    gauge.push(1000, 7);
    expect(gauge.push(2000, NaN)).toBe(true);
    expect(gauge.at(2000)).toBeUndefined();
  });
});
