import { expect, it } from "vitest";
import { midnights, shiftBars } from "./shifts";

const at = (ms: number) => new Date(ms).toISOString();
const shift = (from: number, to: number) => ({ person: "Ada", startTime: at(from), endTime: at(to) });

it("cuts shifts to the span and leaves out the others", () => {
  const bars = shiftBars(
    [shift(0, 150), shift(150, 175), shift(190, 400), shift(0, 100), shift(200, 300), {}],
    {
      from: 100,
      to: 200,
    },
  );
  expect(bars.map((b) => [b.left, b.width])).toEqual([
    [0, 0.5],
    [0.5, 0.25],
    [0.9, expect.closeTo(0.1)],
  ]);
  expect(bars[0]).toMatchObject({ person: "Ada", override: false, from: 0, to: 150 });
});

it("finds the midnights of a span", () => {
  const from = new Date(2026, 2, 28, 13).getTime();
  const days = midnights({ from, to: from + 3 * 86_400_000 });
  expect(days.map((t) => new Date(t).getHours())).toEqual([0, 0, 0]);
  expect(days.map((t) => new Date(t).getDate())).toEqual([29, 30, 31]);
});
