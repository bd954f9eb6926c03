import { describe, expect, it } from "vitest";
import {
  bounds,
  DEFAULT_SELECTION,
  describeRange,
  fromLocalField,
  HOUR,
  MINUTE,
  parseSelection,
  PRESETS,
  rateWindow,
  SECOND,
  stepOf,
  toLocalField,
  writeSelection,
  type TimeSelection,
} from "./time-range";

const parse = (query: string) => parseSelection(new URLSearchParams(query));

describe("the selection in the URL", () => {
  const selections: TimeSelection[] = [
    ...PRESETS.map((p) => ({ range: { kind: "last" as const, ms: p.ms }, live: true })),
    { range: { kind: "last", ms: HOUR }, live: false },
    {
      range: { kind: "between", from: Date.UTC(2026, 10, 24, 3), to: Date.UTC(2026, 10, 24, 4) },
      live: false,
    },
  ];
  it.each(selections)("comes back as it was written: %j", (selection) => {
    expect(parseSelection(writeSelection(new URLSearchParams("q=web"), selection))).toEqual(selection);
  });
  it("leaves defaults out and other parameters alone", () => {
    expect(writeSelection(new URLSearchParams("q=web&last=6h&live=0"), DEFAULT_SELECTION).toString()).toBe(
      "q=web",
    );
  });
  it.each([
    "last=13m",
    "from=tomorrow&to=never",
    "from=2026-11-24T04:00:00Z&to=2026-11-24T03:00:00Z",
    "from=2026-11-24T04:00:00Z&to=2026-11-24T04:00:01Z",
    "from=2020-11-24T04:00:00Z&to=2026-11-24T04:00:00Z",
    "from=2026-11-24T04:00:00Z",
    "",
  ])("falls back to the default for %s", (query) => {
    expect(parse(query)).toEqual(DEFAULT_SELECTION);
  });
});

it("gives the bounds of a range", () => {
  expect(bounds({ kind: "last", ms: 1000 }, 5000)).toEqual({ from: 4000, to: 5000 });
  expect(bounds({ kind: "between", from: 1, to: 2 }, 5000)).toMatchObject({ from: 1, to: 2 });
});

it("names ranges", () => {
  expect(describeRange({ kind: "last", ms: HOUR })).toBe("Last hour");
  const from = new Date(2026, 0, 2, 3, 4).getTime();
  expect(describeRange({ kind: "between", from, to: from + HOUR })).toBe(
    "2026-01-02 03:04 – 2026-01-02 04:04",
  );
});

it("reads and writes the fields of a form", () => {
  const at = new Date(2026, 0, 2, 3, 4).getTime();
  expect(toLocalField(at)).toBe("2026-01-02T03:04");
  expect(fromLocalField(toLocalField(at))).toBe(at);
  expect(fromLocalField("")).toBeNaN();
});

it.each([
  [5 * MINUTE, 5 * SECOND],
  [15 * MINUTE, 5 * SECOND],
  [HOUR, 15 * SECOND],
  [6 * HOUR, 2 * MINUTE],
  [24 * HOUR, 10 * MINUTE],
  [31 * 24 * HOUR, 4 * HOUR],
])("a span of %d ms has points every %d ms", (span, step) => {
  expect(stepOf(span)).toBe(step);
});

it("computes rates over what bears a lost sample and passes nothing over", () => {
  expect(rateWindow(5 * SECOND, 10 * SECOND)).toBe(40 * SECOND);
  expect(rateWindow(10 * MINUTE, 10 * SECOND)).toBe(10 * MINUTE + 10 * SECOND);
});
