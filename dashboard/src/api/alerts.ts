// Alerts, their history, and who deals with them.

import { call, client, withSignal } from "./http";
import type { Acknowledgement, Alert, AlertDetail, AlertGroup, AlertState, Episode } from "./schema";

/** Which alerts are meant. */
export interface AlertFilter {
  matchers?: string[];
  states?: AlertState[];
  activeOnly?: boolean;
  /** held, no_data, acknowledged, silenced, inhibited, flapping. */
  conditions?: string[];
  ids?: string[];
}

/** A page of what is meant. */
export interface AlertQuery extends AlertFilter {
  pageSize: number;
  pageToken?: string;
}

/** A page of groups. */
export interface GroupPage {
  groups: AlertGroup[];
  nextPageToken: string;
  totalSize: number;
}

/** A page of alerts. */
export interface AlertPage {
  alerts: Alert[];
  nextPageToken: string;
  totalSize: number;
  /** How many are in each state and condition, by its name. */
  counts: Readonly<Record<string, number>>;
}

export const alertsApi = {
  /** Lists alerts: firing first, by severity, newest first. */
  async list(query: AlertQuery, signal?: AbortSignal): Promise<AlertPage> {
    const page = await call(client.GET("/api/v1/alerts", { params: { query }, ...withSignal(signal) }));
    return {
      alerts: page.alerts ?? [],
      nextPageToken: page.nextPageToken ?? "",
      totalSize: Number(page.totalSize ?? 0),
      counts: Object.fromEntries(Object.entries(page.counts ?? {}).map(([k, v]) => [k, Number(v)])),
    };
  },

  /** Counts alerts by the value of a label. */
  async groups(query: Omit<AlertQuery, "ids"> & { by: string }, signal?: AbortSignal): Promise<GroupPage> {
    const page = await call(client.GET("/api/v1/alert-groups", { params: { query }, ...withSignal(signal) }));
    return {
      groups: page.groups ?? [],
      nextPageToken: page.nextPageToken ?? "",
      totalSize: Number(page.totalSize ?? 0),
    };
  },

  /** Returns one alert with what happened to it. */
  get(id: string, signal?: AbortSignal): Promise<AlertDetail> {
    return call(client.GET("/api/v1/alerts/{id}", { params: { path: { id } }, ...withSignal(signal) }));
  },

  /** Acknowledges alerts; returns the ids of those that it could not. */
  async acknowledge(body: Acknowledgement): Promise<string[]> {
    const answer = await call(client.POST("/api/v1/alerts:acknowledge", { body }));
    return answer.notFound ?? [];
  },

  /** Takes acknowledgements back. */
  async unacknowledge(body: { ids: string[]; author: string }): Promise<void> {
    await call(client.POST("/api/v1/alerts:unacknowledge", { body }));
  },

  /** Lists the times for which alerts fired that overlap a span, newest first; in Unix milliseconds. */
  async episodes(
    query: { alertId?: string; ruleId?: string; from: number; to: number },
    signal?: AbortSignal,
  ): Promise<Episode[]> {
    const { from, to, ...rest } = query;
    const params = {
      query: {
        ...rest,
        pageSize: 1000,
        start: new Date(from).toISOString(),
        end: new Date(to).toISOString(),
      },
    };
    const answer = await call(client.GET("/api/v1/alert-episodes", { params, ...withSignal(signal) }));
    return answer.episodes ?? [];
  },
};
