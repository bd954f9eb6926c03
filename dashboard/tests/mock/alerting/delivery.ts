// Made-up receivers, routes, notifications and calendars.

import type { Notification, OnCall, Receiver, Route } from "../../../src/api/schema";
import type { AlertingState } from "./state";
import { iso, matches } from "./alerts";

const HOUR = 3_600_000;

export function receivers(now: number): Receiver[] {
  const ago = (minutes: number) => iso(now - minutes * 60_000);
  return [
    {
      name: "db-mail",
      kind: "email",
      target: "db-team@example.com by mail.example.com:587",
      health: "ok",
      lastDeliveryTime: ago(44),
      waiting: "0",
      dead: "0",
    },
    {
      name: "duty-pager",
      kind: "pagerduty",
      target: "events.pagerduty.com, service Platform",
      health: "open",
      lastError: "503 Service Unavailable: upstream connect error; the next attempt is in 40 s",
      lastDeliveryTime: ago(190),
      waiting: "7",
      dead: "2",
    },
    {
      name: "ops-teams",
      kind: "teams",
      target: "prod-12.westeurope.logic.azure.com, workflow Operations",
      health: "ok",
      lastDeliveryTime: ago(1),
      waiting: "0",
      dead: "0",
    },
    { name: "tickets", kind: "servicenow", target: "example.service-now.com", waiting: "0", dead: "0" },
  ];
}

export const ROUTES: Route = {
  path: "0",
  receiver: "ops-teams",
  groupBy: ["alertname", "team"],
  groupWait: "30s",
  groupInterval: "300s",
  repeatInterval: "14400s",
  routes: [
    {
      path: "0.0",
      matchers: ['severity="critical"'],
      escalation: "duty",
      continue: true,
      groupWait: "0s",
      routes: [{ path: "0.0.0", matchers: ['team="database"'], receiver: "db-mail" }],
    },
    {
      path: "0.1",
      matchers: ['severity="info"'],
      receiver: "tickets",
      activeTimeIntervals: ["office hours"],
    },
    { path: "0.2", matchers: ['environment=~"test|staging"'], muteTimeIntervals: ["nights", "weekends"] },
  ],
};

export function testRoute(labels: Record<string, string>) {
  const groupLabels = { alertname: labels.alertname ?? "", team: labels.team ?? "" };
  const out = [];
  if (matches(['severity="critical"'], labels)) {
    const escalation = [
      { after: "600s", receivers: ["db-mail"] },
      { after: "1800s", receivers: ["duty-pager", "tickets"] },
    ];
    out.push({ path: "0.0", receivers: ["duty-pager"], escalation, groupLabels });
  }
  if (matches(['severity="info"'], labels)) {
    out.push({ path: "0.1", receivers: ["tickets"], groupLabels, mutedBy: "it is not within office hours" });
  }
  return out.length > 0 ? out : [{ path: "0", receivers: ["ops-teams"], groupLabels }];
}

export function madeNotifications(now: number): Notification[] {
  const states = [
    "DELIVERED",
    "DELIVERED",
    "WAITING",
    "DELIVERED",
    "DEAD",
    "SUPERSEDED",
    "DELIVERED",
  ] as const;
  return Array.from({ length: 140 }, (_, i) => {
    const state = states[i % states.length] ?? "DELIVERED";
    const made = now - (i * 7 + 1) * 60_000;
    const failed = {
      time: iso(made + 900),
      duration: "10.002s",
      message: "503 Service Unavailable: upstream connect error",
    };
    const taken = { time: iso(made + 400), duration: "0.212s", delivered: true, message: "202 Accepted" };
    return {
      id: `n-${String(i).padStart(4, "0")}-7d0f`,
      receiver: ["ops-teams", "duty-pager", "db-mail"][i % 3] ?? "",
      title:
        i % 4 === 3
          ? "Resolved: LoadHigh on web-00000.example"
          : `Firing: ${["MemoryAlmostFull on db-00001.example", "FilesystemAlmostFull on 3 hosts", "HostDown on app-00002.example"][i % 3] ?? ""}`,
      state: `NOTIFICATION_STATE_${state}` as const,
      createTime: iso(made),
      ...(state === "WAITING" && { nextTime: iso(now + 40_000) }),
      ...(state !== "WAITING" && { finishTime: iso(made + 1000) }),
      alertIds: ["000000c0ffee5eed00d1ce00", "000002c0ffee5eed00d1ce00"].slice(0, 1 + (i % 2)),
      alerts: String(1 + (i % 2)),
      attempts:
        state === "SUPERSEDED"
          ? []
          : state === "DELIVERED"
            ? i % 5 === 3
              ? [failed, taken]
              : [taken]
            : [failed, failed],
    };
  });
}

export function onCall(state: AlertingState, now: number): OnCall[] {
  const day = 24 * HOUR;
  const monday = Math.floor(now / day) * day - ((new Date(now).getUTCDay() + 6) % 7) * day + 8 * HOUR;
  const week = (i: number, person: string) => ({
    person,
    startTime: iso(monday + i * 7 * day),
    endTime: iso(monday + (i + 1) * 7 * day),
  });
  return [
    {
      calendar: "duty",
      person: "Ada Lovelace",
      untilTime: iso(monday + 7 * day),
      shifts: [
        week(0, "Ada Lovelace"),
        { ...week(1, "Grace Hopper"), endTime: iso(monday + 10 * day) },
        {
          person: "Edsger Dijkstra",
          startTime: iso(monday + 10 * day),
          endTime: iso(monday + 11 * day),
          override: true,
        },
        { ...week(1, "Grace Hopper"), startTime: iso(monday + 11 * day) },
        week(2, "Barbara Liskov"),
      ],
      overrides: state.overrides,
    },
    { calendar: "nights", shifts: [], overrides: [] },
  ];
}
