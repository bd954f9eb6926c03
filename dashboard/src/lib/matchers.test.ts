import { describe, expect, it } from "vitest";
import { matchersOf, matchesAll, parseMatchers, writeMatchers } from "./matchers";
import type { Matcher } from "./promql";

const m = (label: string, op: Matcher["op"], value: string): Matcher => ({ label, op, value });

describe("parseMatchers", () => {
  it.each<[string, Matcher[]]>([
    ["", []],
    ["{}", []],
    ['severity="critical"', [m("severity", "=", "critical")]],
    ["severity=critical", [m("severity", "=", "critical")]],
    ['{a="b", c=~"d.*"}', [m("a", "=", "b"), m("c", "=~", "d.*")]],
    ['a!="x",b!~"y|z",', [m("a", "!=", "x"), m("b", "!~", "y|z")]],
    ['a="x"\nb = "y"', [m("a", "=", "x"), m("b", "=", "y")]],
    ["a='it\\'s', b=`\\d+`", [m("a", "=", "it's"), m("b", "=", "\\d+")]],
    ['a="say \\"hi\\"\\n, then"', [m("a", "=", 'say "hi"\n, then')]],
    ['a=~"(?i)web.*"', [m("a", "=~", "(?i)web.*")]],
    ['a=~"(?P<n>x)|(?i:y)"', [m("a", "=~", "(?P<n>x)|(?i:y)")]],
    ["a=", [m("a", "=", "")]],
    ['a=""', [m("a", "=", "")]],
  ])("reads %s", (text, matchers) => {
    expect(parseMatchers(text)).toEqual({ ok: true, matchers });
  });

  it.each([
    ["web", /“web” is no matcher/],
    ['a="b" c="d"', /A comma is missing before “c="d"”/],
    ['a="b', /closing quote/],
    ['{a="b"', /closing brace/],
    ['1a="b"', /“1a” is no name of a label/],
    ['host.name="b"', /“host.name” is no name of a label/],
    ['="b"', /is no name of a label/],
    ['a=~"("', /expression for a cannot be read/],
    ['a=~"(?=x)"', /looks ahead or behind/],
    ['a="\\q"', /is no escape/],
    ['a="b", web', /“web” is no matcher/],
    [Array.from({ length: 65 }, (_, i) => `a${i}="b"`).join(), /At most 64/],
  ])("says what is wrong with %s", (text, error) => {
    expect(parseMatchers(text)).toEqual({ ok: false, error: expect.stringMatching(error) as string });
  });

  it("reads what is written, whatever the value", () => {
    const matchers = ['a"b', "c\\d", "e\nf", "{g=h}", "ä,ö", "`'"].map((value) => m("x", "=", value));
    expect(parseMatchers(writeMatchers(matchers))).toEqual({ ok: true, matchers });
  });
});

it("makes matchers of labels", () => {
  expect(writeMatchers(matchersOf({ a: "b", c: 'd"' }))).toBe('a="b", c="d\\""');
});

it("notices matchers that match nearly everything", () => {
  expect(matchesAll([])).toBe(true);
  expect(matchesAll([m("a", "=~", ".*"), m("b", "!=", "x")])).toBe(true);
  expect(matchesAll([m("a", "=~", ".+"), m("b", "!=", "x")])).toBe(false);
  expect(matchesAll([m("a", "=~", "(?i)x")])).toBe(false);
});
