import { describe, expect, it } from "vitest";
import { HOUR, toLocalField } from "../../lib/time-range";
import {
  fieldsOf,
  matchersMistake,
  mistakesOf,
  newFields,
  onLines,
  silenceOf,
  type SilenceFields,
} from "./form";

const now = new Date(2026, 10, 26, 12, 0).getTime();
const good: SilenceFields = { ...newFields('host_name="db1"', now), comment: "disk swap" };

describe("mistakesOf", () => {
  it("finds none in a form that is filled in", () => {
    expect(mistakesOf(good, now)).toEqual({});
    expect(mistakesOf({ ...good, recurring: true }, now)).toEqual({});
  });
  it.each<[Partial<SilenceFields>, string]>([
    [{ matchers: "" }, "matchers"],
    [{ matchers: "db1" }, "matchers"],
    [{ matchers: 'host_name=~".*"' }, "matchers"],
    [{ end: "" }, "end"],
    [{ end: toLocalField(now - HOUR) }, "end"],
    [{ start: toLocalField(now + 3 * HOUR) }, "end"],
    [{ comment: " " }, "comment"],
    [{ recurring: true, cron: "22 * * 6" }, "cron"],
    [{ recurring: true, minutes: "0" }, "minutes"],
    [{ recurring: true, minutes: "1.5" }, "minutes"],
    [{ recurring: true, timeZone: "Europe/Nowhere" }, "timeZone"],
    [{ recurring: true, timeZone: "" }, "timeZone"],
  ])("%j: says what is wrong with %s", (change, field) => {
    expect(Object.keys(mistakesOf({ ...good, ...change }, now))).toEqual([field]);
  });
  it("does not look at a recurrence that is not wanted", () => {
    expect(mistakesOf({ ...good, cron: "", minutes: "", timeZone: "" }, now)).toEqual({});
  });
});

it("lets matchers stand that ask for one value at least", () => {
  expect(matchersMistake('severity!="critical", host_name=~"db.+"')).toBeUndefined();
  expect(matchersMistake('severity!="critical"')).toMatch(/hide everything/);
});

it("writes each matcher on a line", () => {
  expect(onLines('a="b, c=d", e=f')).toBe('a="b, c=d"\ne="f"');
  expect(onLines("what")).toBe("what");
});

describe("silenceOf", () => {
  it("leaves out a start that is now and a recurrence that is not wanted", () => {
    expect(silenceOf(good, " Ada ")).toEqual({
      matchers: ['host_name="db1"'],
      endTime: new Date(now + 2 * HOUR).toISOString(),
      author: "Ada",
      comment: "disk swap",
    });
  });
  it("comes back as it was", () => {
    const silence = {
      id: "s1",
      matchers: ['a="b"', 'c=~"d|e"'],
      startTime: new Date(now).toISOString(),
      endTime: new Date(now + HOUR).toISOString(),
      recurrence: { cron: "0 22 * * 6", minutes: "90", timeZone: "Europe/Berlin" },
      author: "Ada",
      comment: "patching",
    };
    expect(silenceOf(fieldsOf(silence, now), "Ada", "s1")).toEqual(silence);
  });
  it("keeps what an unset time zone means", () => {
    expect(fieldsOf({ recurrence: { cron: "* * * * *", minutes: "1" } }, now).timeZone).toBe("UTC");
  });
});
