// The paths of alerting, answered from made-up state.

import type { Override, Silence } from "../../../src/api/schema";
import { detailOf, episodesOf, findAlerts, groupsOf, allAlerts, iso, matches } from "./alerts";
import { madeNotifications, onCall, receivers, ROUTES, testRoute } from "./delivery";
import { backtest, checkRules, listRules, ruleOf } from "./rules";
import type { AlertingState } from "./state";

const HOUR = 3_600_000;

/** Makes the state that people would have left behind. */
export function newAlerting(alerts: number, hosts: number, hostName: (i: number) => string): AlertingState {
  const now = Date.now();
  return {
    alerts,
    hosts,
    hostName,
    acks: new Map([
      [
        "000002c0ffee5eed00d1ce00",
        {
          author: "Ada",
          comment: "more memory is ordered",
          createTime: iso(now - HOUR),
          expireTime: iso(now + 5 * HOUR),
          sticky: true,
        },
      ],
    ]),
    silences: [
      silence(
        "s-1",
        "SILENCE_STATE_ACTIVE",
        ['alertname="DiskSlow"', 'host_name=~"cache-.*"'],
        now,
        "the caches move to new disks",
      ),
      {
        ...silence("s-2", "SILENCE_STATE_PENDING", ['team="database"'], now + 3 * HOUR, "weekly maintenance"),
        recurrence: { cron: "0 22 * * 6", minutes: "120", timeZone: "Europe/Berlin" },
      },
      silence(
        "s-3",
        "SILENCE_STATE_EXPIRED",
        ['host_name="web-00000.example"'],
        now - 50 * HOUR,
        "kernel update",
      ),
    ],
    overrides: [
      {
        id: "o-1",
        person: "Edsger Dijkstra",
        startTime: iso(now + 96 * HOUR),
        endTime: iso(now + 120 * HOUR),
        author: "Grace",
      },
    ],
    notifications: madeNotifications(now),
    posted: [],
  };
}

function silence(
  id: string,
  state: NonNullable<Silence["state"]>,
  matchers: string[],
  start: number,
  comment: string,
): Silence {
  const times = { startTime: iso(start), endTime: iso(start + 6 * HOUR), updateTime: iso(start) };
  return { id, state, matchers, comment, author: "Grace", ...times };
}

type Body = Record<string, unknown>;

/** Answers a call of alerting; undefined if the path is none of its. */
export function answerAlerting(state: AlertingState, method: string, url: URL, body: Body): unknown {
  if (method !== "GET") state.posted.push({ path: url.pathname, body });
  const now = Date.now();
  const path = url.pathname.slice("/api/v1/".length);
  const query = url.searchParams;
  switch (`${method} ${path}`) {
    case "GET alerts": {
      const { alerts, counts } = findAlerts(state, query, now);
      return { ...page("alerts", alerts, query), totalSize: String(alerts.length), counts };
    }
    case "GET alert-groups": {
      const groups = groupsOf(findAlerts(state, query, now).alerts, query.get("by") ?? "alertname");
      return { ...page("groups", groups, query), totalSize: String(groups.length) };
    }
    case "GET alert-episodes":
      return { episodes: listEpisodes(state, query, now) };
    case "POST alerts:acknowledge": {
      for (const id of body.ids as string[]) {
        const { author, comment, sticky } = body as { author: string; comment: string; sticky?: boolean };
        state.acks.set(id, { author, comment, createTime: iso(now), ...(sticky && { sticky }) });
      }
      return {};
    }
    case "POST alerts:unacknowledge":
      for (const id of body.ids as string[]) state.acks.delete(id);
      return {};
    case "GET rules":
      return listRules(now);
    case "POST rules:check":
      return checkRules((body.files as { content: string }[])[0]?.content ?? "");
    case "POST rules:backtest": {
      const [start, end] = [Date.parse(body.start as string), Date.parse(body.end as string)];
      const hosts = Array.from({ length: state.hosts }, (_, i) => state.hostName(i));
      const other = body.other as string | undefined;
      return {
        result: backtest(body.rule as string, start, end, hosts),
        ...(other !== undefined && { other: backtest(other, start, end, hosts) }),
      };
    }
    case "GET silences": {
      const shown = state.silences.filter(
        (s) => query.get("expired") === "true" || s.state !== "SILENCE_STATE_EXPIRED",
      );
      const alerts = allAlerts(state, now);
      return page(
        "silences",
        shown.map((s) => ({
          ...s,
          alerts: String(alerts.filter((a) => a.silencedBy?.includes(s.id ?? "")).length),
        })),
        query,
      );
    }
    case "POST silences:preview":
      return preview(state, body.silence as Silence, now);
    case "POST silences":
      state.silences.unshift({
        ...body,
        id: `s-${state.silences.length + 1}`,
        state: "SILENCE_STATE_ACTIVE",
      });
      return { silence: state.silences[0] };
    case "GET receivers":
      return { receivers: receivers(now) };
    case "GET routes":
      return { route: ROUTES };
    case "POST routes:test":
      return { matches: testRoute(body.labels as Record<string, string>) };
    case "GET notifications": {
      const { receiver, state: wanted, alertId } = Object.fromEntries(query);
      const found = state.notifications.filter(
        (n) =>
          (!receiver || n.receiver === receiver) &&
          (!wanted || n.state === wanted) &&
          (!alertId || n.alertIds?.includes(alertId)),
      );
      return page("notifications", found, query);
    }
    case "GET on-call":
      return { calendars: onCall(state, now) };
  }
  return answerById(state, method, path, body, now);
}

function answerById(state: AlertingState, method: string, path: string, body: Body, now: number): unknown {
  const [kind = "", first = "", second, third] = path.split("/").map(decodeURIComponent);
  switch (`${method} ${kind}${second ? ` ${second}` : ""}`) {
    case "GET alerts":
      return detailOf(state, first, now);
    case "GET rules": {
      const rule = ruleOf(first);
      return rule && { rule: { ...rule, evaluationTime: iso(now) } };
    }
    case "GET silences": {
      const found = state.silences.find((s) => s.id === first);
      return found && { silence: found };
    }
    case "PUT silences":
      state.silences = state.silences.map((s) => (s.id === first ? { ...s, ...body } : s));
      return { silence: state.silences.find((s) => s.id === first) };
    case "POST silences expire":
      state.silences = state.silences.map((s) =>
        s.id === first ? { ...s, state: "SILENCE_STATE_EXPIRED" } : s,
      );
      return {};
    case "POST receivers test":
      return first === "duty-pager"
        ? {
            delivered: false,
            message: "503 Service Unavailable: upstream connect error",
            duration: "10.002s",
          }
        : { delivered: true, message: "202 Accepted", duration: "0.182s" };
    case "POST notifications retry":
      state.notifications = state.notifications.map((n) =>
        n.id === first ? { ...n, state: "NOTIFICATION_STATE_WAITING" } : n,
      );
      return {};
    case "POST on-call overrides":
      state.overrides.push({ ...(body as Override), id: `o-${state.overrides.length + 1}` });
      return {};
    case "DELETE on-call overrides":
      state.overrides = state.overrides.filter((o) => o.id !== third);
      return {};
  }
  return undefined;
}

function page<T>(name: string, all: readonly T[], query: URLSearchParams) {
  const size = Number(query.get("pageSize") ?? 100);
  const start = Number(query.get("pageToken") ?? 0);
  const end = start + size;
  return { [name]: all.slice(start, end), nextPageToken: end < all.length ? String(end) : "" };
}

function listEpisodes(state: AlertingState, query: URLSearchParams, now: number) {
  const { alertId, ruleId, start = "", end = "" } = Object.fromEntries(query);
  return allAlerts(state, now)
    .filter((a) => (!alertId || a.id === alertId) && (!ruleId || a.ruleId === ruleId))
    .slice(0, 100)
    .flatMap((a) => episodesOf(a, now))
    .filter((e) => (e.fireTime ?? "") < end && (e.resolveTime ?? end) > start);
}

function preview(state: AlertingState, silence: Silence, now: number) {
  const live = allAlerts(state, now).filter((a) => a.state !== "ALERT_STATE_RESOLVED");
  const hidden = live.filter((a) => matches(silence.matchers ?? [], a.labels ?? {}));
  const windows = [1, 2, 3].map((i) => {
    const start = now + i * 168 * HOUR;
    return { startTime: iso(start), endTime: iso(start + Number(silence.recurrence?.minutes ?? 0) * 60_000) };
  });
  return {
    alerts: hidden.slice(0, 1000),
    total: String(hidden.length),
    others: String(live.filter((a) => a.state === "ALERT_STATE_FIRING" && !hidden.includes(a)).length),
    recentEpisodes: String(hidden.length * 4),
    windows: silence.recurrence ? windows : [],
  };
}
