import { expect, it } from "vitest";
import { compareHosts, differs } from "./compare";

const a = {
  hosts: [
    { host: "same", episodes: "3", firing: "900s" },
    { host: "gone", episodes: "1", firing: "60s" },
    { host: "long", episodes: "1", firing: "5000s" },
  ],
};
const b = {
  hosts: [
    { host: "same", episodes: "3", firing: "900s" },
    { host: "new", episodes: "2", firing: "30.5s" },
    { host: "long", episodes: "1", firing: "4000s" },
  ],
};

it("puts hosts where versions differ first", () => {
  const rows = compareHosts([a, b]);
  expect(rows.map((r) => r.host)).toEqual(["long", "gone", "new", "same"]);
  expect(rows[2]?.parts).toEqual([
    { episodes: 0, firing: 0 },
    { episodes: 2, firing: 30.5 },
  ]);
  expect(rows.map(differs)).toEqual([true, true, true, false]);
});

it("sorts one version by how long it fired", () => {
  expect(compareHosts([a]).map((r) => r.host)).toEqual(["long", "same", "gone"]);
  expect(compareHosts([{}])).toEqual([]);
});
