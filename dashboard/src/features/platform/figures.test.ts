import { expect, it } from "vitest";
import { backlog } from "./backlog";
import { perSecond, type Reading } from "./rate";

it.each([
  ["has read all", 22, 0],
  ["has read some", 20, 2],
  ["never read", 0, 21],
  ["stands before what is kept", 1, 21],
  ["is asked after it read on", 25, 0],
])("counts what is left for a reader that %s", (_, offset, want) => {
  expect(backlog({ first: 1, next: 22 }, offset)).toBe(want);
});

it("counts nothing in an empty log", () => {
  expect(backlog({ first: 0, next: 0 }, 0)).toBe(0);
});

const reading = (at: number, count: number, start = "a"): Reading => ({ at, count, start });

it.each<[string, Reading | undefined, Reading, number | undefined]>([
  ["two readings", reading(1000, 50), reading(11_000, 150), 10],
  ["a count that stands", reading(1000, 50), reading(11_000, 50), 0],
  ["the first reading", undefined, reading(1000, 50), undefined],
  ["the same reading", reading(1000, 50), reading(1000, 50), undefined],
  ["a server that started anew", reading(1000, 50), reading(11_000, 80, "b"), undefined],
  ["a count that fell", reading(1000, 50), reading(11_000, 40), undefined],
])("says how many a second of %s", (_, before, now, want) => {
  expect(perSecond(before, now)).toBe(want);
});
