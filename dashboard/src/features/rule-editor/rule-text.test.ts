import { describe, expect, it } from "vitest";
import { asFile, asItem, asSavedFile, formOf, textProblem } from "./rule-text";

const rule = 'alert: Full\nexpr: |\n  a\n    > 1\nlabels:\n  rules: "x"';
const listed = "# why\n- alert: Full\n  expr: a > 1";
const group = "name: disks\ninterval: 15s\nrules:\n  - alert: Full\n    expr: a > 1";
const file = "groups:\n  - name: disks\n    rules: []";

it.each([
  [rule, "rule"],
  [listed, "rule"],
  ["record: a:b\nexpr: b", "rule"],
  [group, "group"],
  [`- ${group.replaceAll("\n", "\n  ")}`, "group"],
  [file, "file"],
  ["# groups:\nalert: x", "rule"],
  ["", "rule"],
])("tells what %j is", (text, form) => {
  expect(formOf(text)).toBe(form);
});

describe("asFile", () => {
  it("leaves a file alone", () => {
    expect(asFile(file)).toEqual({ form: "file", content: file, lines: 0, columns: 0 });
  });
  it("puts a rule into a group", () => {
    expect(asFile(rule).content).toBe(
      [
        "groups:",
        "  - name: try",
        "    rules:",
        "      -",
        "        alert: Full",
        "        expr: |",
        "          a",
        "            > 1",
        "        labels:",
        '          rules: "x"',
      ].join("\n"),
    );
  });
  it("takes an item of a list as it is, comments and all", () => {
    expect(asFile(listed).content).toBe(
      "groups:\n  - name: try\n    rules:\n      # why\n      - alert: Full\n        expr: a > 1",
    );
  });
  it("puts a group into a file", () => {
    expect(asFile(group).content.split("\n").slice(0, 3)).toEqual(["groups:", "  -", "    name: disks"]);
  });
  it("ends what is saved with one line end", () => {
    expect(asSavedFile(`${file}\n\n`)).toBe(`${file}\n`);
  });
});

describe("textProblem", () => {
  it("takes a line of the file back to the text", () => {
    const wrapped = asFile(rule);
    const line = wrapped.content.split("\n").indexOf("            > 1") + 1;
    expect(
      textProblem(wrapped, { line, column: 13, field: "groups[0].rules[0].expr", message: "no number" }),
    ).toEqual({ line: 4, column: 5, message: "expr: no number" });
  });
  it("has no line for what is wrong with the lines around it", () => {
    expect(textProblem(asFile(rule), { line: 2, column: 5, message: "m" })).toEqual({
      line: 0,
      column: 0,
      message: "m",
    });
    expect(textProblem(asFile(file), { message: "m", field: "groups[0].name" })).toEqual({
      line: 0,
      column: 0,
      message: "groups[0].name: m",
    });
  });
});

it("takes the dash from an item", () => {
  expect(asItem(listed)).toBe("# why\nalert: Full\nexpr: a > 1");
  expect(asItem("  - alert: x\n    expr: |\n      a\n        > 1")).toBe("alert: x\nexpr: |\n  a\n    > 1");
  expect(asItem(rule)).toBe(rule);
});
