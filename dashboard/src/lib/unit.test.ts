import { expect, it } from "vitest";
import { formatMeasured, formatThreshold, unitOf } from "./unit";

it.each([
  [0.934, "1", "93.4%"],
  [1536, "By", "1.5 KiB"],
  [1536, "By/s", "1.5 KiB/s"],
  [90, "s", "1 min 30 s"],
  [1234, "{process}", "1.23k"],
  [12, "{error}/s", "12/s"],
  [42.5, "Cel", "42.5 Cel"],
  [42.5, "", "42.5"],
  [NaN, "Cel", "–"],
])("writes %d %s as %s", (value, unit, text) => {
  expect(formatMeasured(value, unit)).toBe(text);
});

it.each([
  ["> 0.9", "1", "> 90%"],
  ["<=1024", "By", "≤ 1 KiB"],
  ["== 0", "", "= 0"],
  ["avg of others", "1", "avg of others"],
  ["> x", "1", "> x"],
  ["", "", ""],
])("writes the threshold %s in %s as %s", (threshold, unit, text) => {
  expect(formatThreshold(threshold, unit)).toBe(text);
});

it("falls back to plain numbers", () => {
  expect(unitOf(undefined)).toBe("number");
});
