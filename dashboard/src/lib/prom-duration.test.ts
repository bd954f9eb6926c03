import { expect, it } from "vitest";
import { promDuration } from "./prom-duration";

it.each([
  [0, "0s"],
  [15, "15s"],
  [300, "5m"],
  [5400, "1h30m"],
  [0.5, "500ms"],
  [90_061, "1d1h1m1s"],
])("writes %d s as %s", (seconds, text) => {
  expect(promDuration(seconds)).toBe(text);
});
