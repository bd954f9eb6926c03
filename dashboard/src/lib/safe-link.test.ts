import { expect, it } from "vitest";
import { safeLink } from "./safe-link";

it.each([
  ["https://wiki.example/disk", "https://wiki.example/disk"],
  ["/alerts/1", `${location.origin}/alerts/1`],
  ["javascript:alert(1)", undefined],
  [" javascript:alert(1)", undefined],
  ["data:text/html,x", undefined],
  ["https://", undefined],
  ["", undefined],
  [undefined, undefined],
])("%s leads to %s", (address, link) => {
  expect(safeLink(address)).toBe(link);
});
