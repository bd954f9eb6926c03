import { expect, it } from "vitest";
import type { Rule } from "../../api/schema";
import { groupRules, type RuleFilter } from "./groups";

const rule = (name: string, group: string, more: Rule = {}): Rule => ({
  name,
  group,
  file: "disk.yaml",
  ...more,
});
const rules = [
  rule("Full", "disks", { firing: "2" }),
  rule("Slow", "disks", { health: "failing" }),
  rule("Down", "hosts", { held: "1" }),
  rule("Up", "hosts", { health: "ok", firing: "0" }),
  rule("Other", "disks", { file: "own.yaml" }),
];
const shown = (filter: Partial<RuleFilter>) =>
  groupRules(rules, { text: "", noteworthy: false, ...filter }).map(
    (g) => `${g.file} ${g.name}: ${g.rules.map((r) => r.name).join(" ")}`,
  );

it("keeps groups of one name in two files apart", () => {
  expect(shown({})).toEqual([
    "disk.yaml disks: Full Slow",
    "disk.yaml hosts: Down Up",
    "own.yaml disks: Other",
  ]);
});
it("finds by name, group and file", () => {
  expect(shown({ text: "full" })).toEqual(["disk.yaml disks: Full"]);
  expect(shown({ text: "HOSTS" })).toEqual(["disk.yaml hosts: Down Up"]);
  expect(shown({ text: "own." })).toEqual(["own.yaml disks: Other"]);
});
it("keeps what fails, fires or is held", () => {
  expect(shown({ noteworthy: true })).toEqual(["disk.yaml disks: Full Slow", "disk.yaml hosts: Down"]);
});
