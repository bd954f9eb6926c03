import { describe, expect, it } from "vitest";
import type { Episode } from "../../api/schema";
import { bandsOf, lanesOf } from "./episodes";
import { visible } from "./TimeChart";

const at = (s: number) => new Date(s * 1000).toISOString();
const episode = (host: string, from: number, to?: number): Episode => ({
  labels: host ? { host_name: host } : {},
  fireTime: at(from),
  ...(to !== undefined && { resolveTime: at(to) }),
});

it("lets what still fires go on until the end", () => {
  expect(bandsOf([episode("a", 1, 2), episode("a", 5), {}], 9000)).toEqual([
    { from: 1000, to: 2000 },
    { from: 5000, to: 9000 },
  ]);
});

describe("lanesOf", () => {
  it("gives each host a lane, the longest first, with each version's spans", () => {
    const lanes = lanesOf(
      [
        [episode("a", 1, 2), episode("b", 1, 4), episode("a", 3, 4)],
        [episode("c", 0, 9), episode("b", 2, 4)],
      ],
      10_000,
    );
    expect(lanes.map((l) => [l.name, ...l.bands.map((b) => b.length)])).toEqual([
      ["c", 0, 1],
      ["b", 1, 1],
      ["a", 2, 0],
    ]);
  });
  it("names instances where there is no host", () => {
    expect(
      lanesOf([[{ ...episode("", 1, 2), labels: { instance: "x:1" } }, episode("", 1, 2)]], 0)[0]?.name,
    ).toBe("");
  });
});

it("draws each moment of a span once, and only what lies in it", () => {
  const bands = [
    { from: 5, to: 7 },
    { from: 0, to: 2 },
    { from: 6, to: 20 },
    { from: 30, to: 40 },
  ];
  expect(visible(bands, { from: 1, to: 10 })).toEqual([
    { from: 1, to: 2 },
    { from: 5, to: 10 },
  ]);
});
