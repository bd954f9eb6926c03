import { describe, expect, it } from "vitest";
import { Tail, type TailSample } from "./tail";
import type { Measure } from "./measure";

const busy: Measure = {
  metric: "cpu",
  kind: "counter",
  aggregate: "avg",
  by: ["mode"],
  interval: 10_000,
  name: (l) => l.mode ?? "",
};
const space: Measure = {
  metric: "space",
  kind: "gauge",
  aggregate: "sum",
  by: ["mount"],
  interval: 60_000,
  shareOf: { metric: "space" },
  name: (l) => l.mount ?? "",
};

const cpu = (t: number, number: string, v: number): TailSample => ({
  measure: 0,
  whole: false,
  labels: { number, mode: "user" },
  t,
  v,
});
const plain = (tail: Tail, from = 0) =>
  tail.since(from).map((r) => ({ t: r.t, ...Object.fromEntries(r.values) }));

describe("Tail", () => {
  it("aggregates the rates of a line's series", () => {
    const tail = new Tail([busy], 5000);
    tail.push([cpu(9_990, "0", 0), cpu(9_990, "1", 0)]);
    tail.push([cpu(19_990, "0", 10), cpu(19_990, "1", 4)]);
    expect(plain(tail)).toEqual([
      { t: 10_000, '0:["user"]': null },
      { t: 20_000, '0:["user"]': 0.7 },
    ]);
    expect([...tail.lines.values()]).toEqual([{ key: '0:["user"]', hue: '0:["user"]', name: "user" }]);
  });

  it("gives the same for samples that come one by one", () => {
    const together = new Tail([busy], 5000);
    const apart = new Tail([busy], 5000);
    const samples = [0, 1, 2, 3].flatMap((i) => [cpu(i * 10_000, "0", i * 3), cpu(i * 10_000, "1", i * 5)]);
    together.push(samples);
    for (const s of samples) apart.push([s]);
    expect(plain(apart)).toEqual(plain(together));
    expect(plain(together).at(-1)).toEqual({ t: 30_000, '0:["user"]': 0.4 });
  });

  it("leaves a series out that went stale", () => {
    const tail = new Tail([busy], 5000);
    tail.push([cpu(10_000, "0", 0), cpu(10_000, "1", 0), cpu(20_000, "0", 10), cpu(20_000, "1", 0)]);
    tail.push([cpu(30_000, "0", 20), cpu(30_000, "1", NaN)]);
    expect(plain(tail).map((r) => r['0:["user"]' as keyof typeof r])).toEqual([null, 0.5, 1]);
  });

  it("computes shares once both sides are known", () => {
    const tail = new Tail([space], 5000);
    const sample = (t: number, state: string, v: number, whole: boolean): TailSample => ({
      measure: 0,
      whole,
      labels: { mount: "/", state },
      t,
      v,
    });
    tail.push([sample(1000, "used", 30, false)]);
    expect(plain(tail)).toEqual([{ t: 1000, '0:["/"]': null }]);
    tail.push([sample(1000, "used", 30, true), sample(1000, "free", 90, true)]);
    expect(plain(tail)).toEqual([{ t: 1000, '0:["/"]': 0.25 }]);
  });

  it("says when nothing was new", () => {
    const tail = new Tail([busy], 5000);
    expect(tail.push([cpu(10_000, "0", 1)])).toBe(true);
    expect(tail.push([cpu(10_000, "0", 1), cpu(9_000, "0", 1)])).toBe(false);
    expect(tail.push([])).toBe(false);
  });

  it("forgets rows that are out of sight", () => {
    const tail = new Tail([busy], 5000);
    tail.push([1, 2, 3, 4].map((i) => cpu(i * 10_000, "0", i)));
    expect(plain(tail, 25_000)).toHaveLength(2);
    expect(plain(tail, 0)).toHaveLength(2);
    expect(plain(tail, 99_000)).toHaveLength(0);
  });
});
