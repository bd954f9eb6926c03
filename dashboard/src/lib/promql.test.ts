import { expect, it } from "vitest";
import { accepts, differs, duration, equals, escapeRegExp, ofHost, oneOf, quote, select } from "./promql";

it("quotes what would end a string", () => {
  expect(quote('a"b\\c\nd')).toBe('"a\\"b\\\\c\\nd"');
});

it("matches names literally", () => {
  const odd = "a.b+c(d)[e]{f}|g^h$i*j?k\\l";
  expect(new RegExp(`^(?:${escapeRegExp(odd)})$`).test(odd)).toBe(true);
  expect(select("up", [oneOf("host_name", ["web.1", "web-2"])])).toBe('up{host_name=~"web\\\\.1|web-2"}');
  expect(oneOf("host_name", ["web.1"])).toEqual(equals("host_name", "web.1"));
});

it("writes selectors", () => {
  expect(select("up", [])).toBe("up");
  expect(select("up", ofHost({ hostName: "a", hostId: "" }))).toBe('up{host_name="a",host_id=""}');
});

it("accepts what PromQL would", () => {
  const labels = { mode: "idle", host: "web.1" };
  expect(accepts([equals("mode", "idle"), oneOf("host", ["web.1", "web.2"])], labels)).toBe(true);
  expect(accepts([differs("mode", "idle")], labels)).toBe(false);
  expect(accepts([oneOf("host", ["web+1", "eb.1"])], labels)).toBe(false);
  expect(accepts([equals("none", "")], labels)).toBe(true);
  expect(accepts([{ label: "host", op: "!~", value: "web.*" }], labels)).toBe(false);
});

it.each([
  [60_000, "1m"],
  [90_000, "90s"],
  [1500, "1500ms"],
])("writes %d ms as %s", (ms, want) => {
  expect(duration(ms)).toBe(want);
});
