import { describe, expect, it } from "vitest";
import { parseView, sortBy, sortRows, SORT_KEYS, writeView, type ListView } from "./list-view";
import { hostKey, valuesByHost, type HostRow, type HostValues } from "./useHostList";
import type { Agent } from "../../api/schema";

const standard: ListView = { q: "", size: 50, token: "", page: 0, sort: "name", descending: false };
const parse = (query: string) => parseView(new URLSearchParams(query));

describe("the view in the URL", () => {
  const views: ListView[] = [
    standard,
    { ...standard, q: "web & co", size: 250, sort: "cpu", descending: true },
    { ...standard, token: "abc+/=", page: 3 },
    ...SORT_KEYS.map((sort) => ({ ...standard, sort })),
  ];
  it.each(views)("comes back as it was written: %j", (view) => {
    expect(parseView(new URLSearchParams(writeView(view).toString()))).toEqual(view);
  });
  it("is empty for the default", () => {
    expect(writeView(standard).toString()).toBe("");
  });
  it.each(["size=7&sort=colour&dir=up", "page=4", "page=-1&after=", "size=x"])(
    "falls back to the default for %s",
    (query) => {
      expect(parse(query)).toEqual(standard);
    },
  );
});

it("turns the order round, and begins with the largest of numbers", () => {
  expect(sortBy(standard, "name")).toMatchObject({ sort: "name", descending: true });
  expect(sortBy(standard, "cpu")).toMatchObject({ sort: "cpu", descending: true });
  expect(sortBy(standard, "os")).toMatchObject({ sort: "os", descending: false });
});

describe("sortRows", () => {
  const row = (hostName: string, values: HostValues, agent: Agent = {}): HostRow => ({
    agent: { hostName, ...agent },
    values,
    trend: [],
  });
  const names = (rows: HostRow[]) => rows.map((r) => r.agent.hostName).join(" ");
  const rows = [row("b", { cpu: 0.5 }), row("d", {}), row("a", { cpu: 0.5 }), row("c", { cpu: 0.9 })];

  it("sorts by value, then by name, what has no value last", () => {
    expect(names(sortRows(rows, { ...standard, sort: "cpu" }))).toBe("a b c d");
    expect(names(sortRows(rows, { ...standard, sort: "cpu", descending: true }))).toBe("c a b d");
  });
  it("puts the states that need a look first", () => {
    const states = [
      row("a", {}, { state: "AGENT_STATE_CONNECTED" }),
      row("b", {}, { state: "AGENT_STATE_DISCONNECTED" }),
      row("c", {}, { state: "AGENT_STATE_CLONED" }),
    ];
    expect(names(sortRows(states, { ...standard, sort: "state" }))).toBe("c b a");
  });
  it("sorts by when a host was last seen", () => {
    const seen = [
      row("a", {}, { lastAckTime: "2026-11-24T04:00:00Z" }),
      row("b", {}),
      row("c", {}, { lastAckTime: "2026-11-24T03:00:00.5Z" }),
    ];
    expect(names(sortRows(seen, { ...standard, sort: "seen" }))).toBe("c a b");
  });
});

it("gathers the answers of several queries by host", () => {
  const labels = { host_name: "a", host_id: "1" };
  const values = valuesByHost([
    ["cpu", [{ labels, t: [1], v: [0.5] }]],
    [
      "memory",
      [
        { labels, t: [1], v: [0.25] },
        { labels: { host_name: "b" }, t: [1], v: [NaN] },
      ],
    ],
    ["load", []],
  ]);
  expect(values.get(hostKey({ hostName: "a", hostId: "1" }))).toEqual({ cpu: 0.5, memory: 0.25 });
  expect(values.size).toBe(1);
});
