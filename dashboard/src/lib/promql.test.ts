import { expect, it } from "vitest";
import { duration, escapeRegExp, ofHost, oneOf, quote, select } from "./promql";

it("quotes what would end a string", () => {
  expect(quote('a"b\\c\nd')).toBe('"a\\"b\\\\c\\nd"');
});

it("matches names literally", () => {
  expect(new RegExp(`^(?:${escapeRegExp("a.b+c(d)[e]{f}|g^h$i*j?k\\l")})$`).test("a.b+c(d)[e]{f}|g^h$i*j?k\\l")).toBe(
    true,
  );
  expect(oneOf("host_name", ["web.1", "web-2"])).toBe('host_name=~"web\\\\.1|web-2"');
  expect(oneOf("host_name", ["web.1"])).toBe('host_name="web.1"');
});

it("leaves empty matchers out", () => {
  expect(select("up")).toBe("up");
  expect(select("up", "", 'a="b"')).toBe('up{a="b"}');
});

it("names a host by both labels", () => {
  expect(ofHost({ hostName: "a", hostId: "" })).toBe('host_name="a",host_id=""');
});

it.each([
  [60_000, "1m"],
  [90_000, "90s"],
  [1500, "1500ms"],
])("writes %d ms as %s", (ms, want) => {
  expect(duration(ms)).toBe(want);
});
