import { describe, expect, it } from "vitest";
import { writeMatchers } from "../../lib/matchers";
import { filtered, filterOf, parseView, writeView, type AlertView } from "./alert-view";
import { parseConfirmLink } from "./confirm-link";
import { silenceMatchers } from "./selection";

const standard: AlertView = {
  matchers: "",
  severities: [],
  states: [],
  conditions: [],
  active: false,
  group: "",
  size: 50,
  token: "",
  page: 0,
};
const parse = (query: string) => parseView(new URLSearchParams(query));

describe("the view in the URL", () => {
  it.each<AlertView>([
    standard,
    { ...standard, matchers: 'a="b, c", d=~"e&f"', severities: ["critical", "info"] },
    { ...standard, states: ["firing", "resolved"], conditions: ["held", "flapping"], active: true },
    { ...standard, group: "host_name", size: 250, token: "x", page: 4 },
  ])("comes back as it was written: %j", (view) => {
    expect(parseView(new URLSearchParams(writeView(view).toString()))).toEqual(view);
  });
  it("is empty for the default", () => {
    expect(writeView(standard).toString()).toBe("");
    expect(filtered(standard)).toBe(false);
  });
  it("leaves out what makes no sense", () => {
    expect(parse("state=on,firing&severity=bad&is=late&group=colour&active=yes")).toEqual({
      ...standard,
      states: ["firing"],
    });
  });
  it("takes the matchers of several parameters together", () => {
    expect(parse("matcher=a%3D%22b%22&matcher=c%3Dd").matchers).toBe('a="b", c=d');
  });
});

describe("filterOf", () => {
  it("asks for what the view says", () => {
    expect(
      filterOf({
        ...standard,
        matchers: "a=b",
        severities: ["critical", "info"],
        states: ["pending"],
        active: true,
      }),
    ).toEqual({
      matchers: ['a="b"', 'severity=~"critical|info"'],
      states: ["ALERT_STATE_PENDING"],
      activeOnly: true,
    });
  });
  it("asks for all by default, and for nothing that cannot be read", () => {
    expect(filterOf(standard)).toEqual({});
    expect(filterOf({ ...standard, matchers: "a" })).toBeUndefined();
  });
});

describe("silenceMatchers", () => {
  const alert = (labels: Record<string, string>) => ({ labels });
  const of = (...sets: Record<string, string>[]) => writeMatchers(silenceMatchers(sets.map(alert)));
  it("matches one alert by all of its labels", () => {
    expect(of({ host_name: "a", alertname: "X" })).toBe('alertname="X", host_name="a"');
  });
  it("names the hosts and alerts of several, and keeps what they share", () => {
    expect(
      of(
        { alertname: "X", host_name: "b.x", job: "j", team: "t" },
        { alertname: "X", host_name: "a", job: "k", team: "t" },
      ),
    ).toBe('alertname="X", host_name=~"a|b\\\\.x", team="t"');
  });
  it("leaves out what one of them has not, and lists that are too long", () => {
    expect(of({ alertname: "X", a: "1" }, { alertname: "X" })).toBe('alertname="X"');
    const many = Array.from({ length: 21 }, (_, i) => ({ alertname: "X", host_name: `h${i}` }));
    expect(of(...many)).toBe('alertname="X"');
    expect(of()).toBe("");
  });
});

describe("parseConfirmLink", () => {
  const link = (query: string) => parseConfirmLink(new URLSearchParams(query));
  it("reads ids from one parameter or several, each once", () => {
    expect(link("ids=a,b&ids=b&ids=%20c,&exp=12&sig=s%2B/=")).toEqual({
      ids: ["a", "b", "c"],
      exp: "12",
      sig: "s+/=",
    });
  });
  it("takes no more than the server does", () => {
    expect(link(`ids=${Array.from({ length: 1200 }, (_, i) => i).join()}`).ids).toHaveLength(1000);
    expect(link("")).toEqual({ ids: [], exp: "", sig: "" });
  });
});
