import { describe, expect, it } from "vitest";
import { append, EMPTY_FRAME, frameOf, largest, lastValue, nearest, since, type Frame } from "./frame";
import type { Measure } from "./measure";

const measure: Measure = {
  metric: "m",
  kind: "gauge",
  aggregate: "sum",
  by: ["device"],
  interval: 10_000,
  name: (l) => l.device ?? "",
};

describe("frameOf", () => {
  it("puts all series on the same points", () => {
    const frame = frameOf(
      [measure, { ...measure, negative: true }],
      [
        [{ labels: { device: "sda", extra: "x" }, t: [1000, 3000], v: [1, 3] }],
        [{ labels: { device: "sda" }, t: [2000, 9000], v: [2, 9] }],
      ],
      { from: 1000, to: 3000, step: 1000 },
    );
    expect(frame).toEqual({
      t: [1000, 2000, 3000],
      lines: [
        { key: '0:["sda"]', hue: '["sda"]', name: "sda", v: [1, null, 3] },
        { key: '1:["sda"]', hue: '["sda"]', name: "sda", v: [null, -2, null] },
      ],
    });
  });
  it("draws no infinities", () => {
    const frame = frameOf([measure], [[{ labels: {}, t: [0, 1, 2], v: [Infinity, NaN, 0] }]], {
      from: 0,
      to: 2,
      step: 1,
    });
    expect(frame.lines[0]?.v).toEqual([null, null, 0]);
  });
});

it("draws lines in the measure's order, then by name", () => {
  const names = ["eth10", "eth2", "user", "system"];
  const frame = frameOf(
    [{ ...measure, order: ["user", "system"] }],
    [names.map((device) => ({ labels: { device }, t: [0], v: [1] }))],
    { from: 0, to: 0, step: 1 },
  );
  expect(frame.lines.map((l) => l.name)).toEqual(["user", "system", "eth2", "eth10"]);
});

it("keeps the lines that reach furthest", () => {
  const frame: Frame = {
    t: [0],
    lines: [1, -9, 5, 0].map((v, i) => ({ key: `${i}`, hue: "", name: `${i}`, v: [v] })),
  };
  const got = largest(frame, 2);
  expect(got.frame.lines.map((l) => l.v[0])).toEqual([-9, 5]);
  expect(got.hidden).toBe(2);
  expect(largest(frame, 4)).toEqual({ frame, hidden: 0 });
});

describe("append", () => {
  const frame: Frame = { t: [0, 10], lines: [{ key: "a", hue: "a", name: "A", v: [1, 2] }] };
  const row = (t: number, values: Record<string, number>) => ({ t, values: new Map(Object.entries(values)) });

  it("takes only what is after the frame", () => {
    expect(append(frame, [row(5, { a: 9 }), row(10, { a: 9 })], new Map(), 100)).toBe(frame);
    expect(append(frame, [row(10, { a: 9 }), row(20, { a: 3 })], new Map(), 100)).toEqual({
      t: [0, 10, 20],
      lines: [{ key: "a", hue: "a", name: "A", v: [1, 2, 3] }],
    });
    expect(frame.t).toEqual([0, 10]);
  });
  it("adds lines that are new", () => {
    expect(
      append(frame, [row(20, { b: 5 })], new Map([["b", { key: "b", hue: "b", name: "B" }]]), 100).lines,
    ).toEqual([
      { key: "a", hue: "a", name: "A", v: [1, 2, null] },
      { key: "b", hue: "b", name: "B", v: [null, null, 5] },
    ]);
  });
  it("breaks the line over a gap", () => {
    expect(append(frame, [row(500, { a: 3 })], new Map(), 100)).toEqual({
      t: [0, 10, 11, 500],
      lines: [{ key: "a", hue: "a", name: "A", v: [1, 2, null, 3] }],
    });
  });
  it("begins an empty frame", () => {
    expect(
      append(EMPTY_FRAME, [row(5, { a: 1 })], new Map([["a", { key: "a", hue: "a", name: "A" }]]), 100),
    ).toEqual({
      t: [5],
      lines: [{ key: "a", hue: "a", name: "A", v: [1] }],
    });
  });
});

describe("since", () => {
  const frame: Frame = { t: [0, 10, 20, 30], lines: [{ key: "a", hue: "a", name: "A", v: [0, 1, 2, 3] }] };
  it.each([
    [-5, [0, 10, 20, 30]],
    [0, [0, 10, 20, 30]],
    [15, [10, 20, 30]],
    [20, [10, 20, 30]],
    [99, []],
  ])("from %d keeps %j", (from, want) => {
    const got = since(frame, from);
    expect(got.t).toEqual(want);
    expect(got.lines[0]?.v).toHaveLength(want.length);
  });
});

it("finds the nearest point", () => {
  const t = [0, 10, 20];
  expect([-5, 0, 4, 5, 6, 19, 99].map((at) => nearest(t, at))).toEqual([0, 0, 0, 0, 1, 2, 2]);
  expect(nearest([], 1)).toBe(-1);
});

it("finds the last value", () => {
  expect(lastValue({ key: "a", hue: "a", name: "A", v: [1, 2, null, null] })).toBe(2);
  expect(lastValue({ key: "a", hue: "a", name: "A", v: [1, null, null] }, 1)).toBeNull();
});
