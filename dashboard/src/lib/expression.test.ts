import { describe, expect, it } from "vitest";
import { bounded, frameOfSeries, lineNames } from "./expression";

describe("lineNames", () => {
  it("says what differs, the host first", () => {
    const labels = { __name__: "up", os_type: "linux" };
    expect(
      lineNames([
        { ...labels, device: "sda", host_name: "a", host_id: "1" },
        { ...labels, device: "sdb", host_name: "b", host_id: "2" },
      ]),
    ).toEqual(["a sda", "b sdb"]);
  });
  it("names hosts of one name by their id", () => {
    expect(
      lineNames([
        { host_name: "a", host_id: "1" },
        { host_name: "a", host_id: "2" },
      ]),
    ).toEqual(["1", "2"]);
  });
  it.each([
    [{ host_name: "a", job: "x" }, "a"],
    [{ __name__: "up" }, "up"],
    [{}, "value"],
  ])("names a line that stands alone: %j", (labels, name) => {
    expect(lineNames([labels])).toEqual([name]);
  });
});

it("puts all series on the points of the span, what is no number left out", () => {
  const frame = frameOfSeries(
    [
      { labels: { host_name: "b" }, t: [1000, 2000, 9000], v: [1, NaN, 5] },
      { labels: { host_name: "a" }, t: [3000], v: [Infinity] },
    ],
    { from: 1000, to: 3000, step: 1000 },
  );
  expect(frame.t).toEqual([1000, 2000, 3000]);
  expect(frame.lines.map((l) => [l.name, l.v])).toEqual([
    ["a", [null, null, null]],
    ["b", [1, null, null]],
  ]);
  expect(new Set(frame.lines.map((l) => l.key)).size).toBe(2);
});

it("keeps an expression that ends in a comment whole", () => {
  expect(bounded("up # all", false, 5)).toBe("topk(5, up # all\n)");
  expect(bounded("up", true)).toBe("bottomk(20, up\n)");
});
