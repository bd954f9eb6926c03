import { describe, expect, it } from "vitest";
import { parseLabels, routeTree } from "./route-tree";

it("hands receivers down until another is named", () => {
  const tree = routeTree({
    receiver: "ops",
    routes: [{ matchers: ['a="b"'], routes: [{ receiver: "db" }] }, { escalation: "night" }],
  });
  expect(tree).toMatchObject({ path: "0", receiver: "ops", inherited: false });
  expect(tree.children[0]).toMatchObject({ path: "0.0", receiver: "ops", inherited: true });
  expect(tree.children[0]?.children[0]).toMatchObject({ path: "0.0.0", receiver: "db", inherited: false });
  expect(tree.children[1]).toMatchObject({ path: "0.1", inherited: false });
});

it("takes the server's paths", () => {
  expect(routeTree({ path: "root", routes: [{ path: "x" }] }).children[0]?.path).toBe("x");
});

describe("parseLabels", () => {
  it("reads labels in the ways that people copy them", () => {
    expect(parseLabels('severity=critical\n host_name : "db 1",\n\nempty=\n')).toEqual({
      labels: { severity: "critical", host_name: "db 1", empty: "" },
    });
  });
  it.each([
    ["", /at least one/],
    ["critical", /“critical” is no label/],
    ["1a=b", /is no label/],
  ])("says what is wrong with %j", (text, error) => {
    expect(parseLabels(text)).toEqual({ error: expect.stringMatching(error) as string });
  });
});
