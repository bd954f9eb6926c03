import { expect, it } from "vitest";
import { backoff } from "./backoff";

const options = { first: 500, max: 15_000 };

it("doubles the limit up to the maximum", () => {
  const limits = [0, 1, 2, 3, 4, 5, 6, 1000].map((n) => backoff(n, options, () => 0.999999));
  expect(limits).toEqual([499, 999, 1999, 3999, 7999, 14999, 14999, 14999]);
});

it("spreads over all of the limit", () => {
  expect(backoff(3, options, () => 0)).toBe(0);
  expect(backoff(3, options, () => 0.5)).toBe(2000);
});
