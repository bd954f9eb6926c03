import { describe, expect, it } from "vitest";
import type { Alert } from "../../api/schema";
import {
  hostOf,
  remarks,
  sinceTime,
  stateName,
  summaryOf,
  thresholdText,
  valueText,
  wireState,
} from "./words";

const now = new Date(2026, 10, 26, 12, 0).getTime();
const at = (minutes: number) => new Date(now + minutes * 60_000).toISOString();

describe("remarks", () => {
  it("says nothing about an alert that is as it should be", () => {
    expect(remarks({ state: "ALERT_STATE_FIRING", silencedBy: [], inhibitedBy: [] }, now)).toEqual([]);
  });
  it.each<[Alert, string, string]>([
    [
      { hold: { reason: "agent_silent", message: "Nothing came for 4 min.", sinceTime: at(-4) } },
      "held",
      "Nothing came for 4 min. Since 11:56:00.",
    ],
    [{ hold: { reason: "agent_catching_up" } }, "held", "Its agent is catching up."],
    [{ hold: { reason: "something_new" } }, "held", "It cannot be decided."],
    [{ noData: true }, "no_data", "Its rule wants data and finds none."],
    [
      { acknowledgement: { author: "Ada", comment: "on it", expireTime: at(60), sticky: true } },
      "acknowledged",
      "By Ada: on it (until 13:00:00) (stays when it fires again)",
    ],
    [{ acknowledgement: {} }, "acknowledged", "By somebody"],
    [{ silencedBy: ["a"] }, "silenced", "A silence hides it."],
    [{ silencedBy: ["a", "b"] }, "silenced", "2 silences hide it."],
    [{ inhibitedBy: ["a"] }, "inhibited", "Another alert explains it; nobody is told."],
    [{ flapping: true }, "flapping", "It changes so often that changes are not told one by one."],
  ])("%j: gives the reason", (alert, condition, reason) => {
    expect(remarks(alert, now)).toEqual([{ condition, reason }]);
  });
  it("says all that is true", () => {
    const alert = {
      hold: {},
      noData: true,
      acknowledgement: {},
      silencedBy: ["a"],
      inhibitedBy: ["b"],
      flapping: true,
    };
    expect(remarks(alert, now)).toHaveLength(6);
  });
});

it("knows the states", () => {
  expect(stateName("ALERT_STATE_FIRING")).toBe("firing");
  expect(stateName("ALERT_STATE_UNSPECIFIED")).toBe("unknown");
  expect(stateName(undefined)).toBe("unknown");
  expect(wireState("pending")).toBe("ALERT_STATE_PENDING");
});

it("says since when an alert is as it is", () => {
  const alert: Alert = { activeTime: at(-3), fireTime: at(-2), resolveTime: at(-1) };
  const since = (state: Alert["state"]) => sinceTime({ ...alert, ...(state && { state }) });
  expect(since("ALERT_STATE_PENDING")).toBe(now - 180_000);
  expect(since("ALERT_STATE_FIRING")).toBe(now - 120_000);
  expect(since("ALERT_STATE_RESOLVED")).toBe(now - 60_000);
  expect(since(undefined)).toBeUndefined();
});

it("writes the value beside what it is compared with", () => {
  const alert: Alert = { value: 0.934, unit: "1", threshold: "> 0.9" };
  expect(`${valueText(alert)} ${thresholdText(alert)}`).toBe("93.4% > 90%");
  expect(valueText({ value: "NaN" as unknown as number })).toBe("–");
  expect(thresholdText({})).toBe("");
});

it("finds what an alert is about", () => {
  expect(hostOf({ labels: { host_name: "a", instance: "b" } })).toBe("a");
  expect(hostOf({ labels: { instance: "b:9100" } })).toBe("b:9100");
  expect(hostOf({})).toBe("");
  expect(summaryOf({ annotations: { description: "long", summary: "short" } })).toBe("short");
  expect(summaryOf({})).toBe("");
});
