import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api } from "../../api/client";
import type { Agent } from "../../api/schema";
import { serverNow } from "../../api/reach";
import { groupKey, type SeriesData } from "../../lib/labels";
import { MINUTE } from "../../lib/time-range";
import { hostQueries, trendQuery, type HostValue } from "./queries";
import type { ListView } from "./list-view";

/** How often the list is asked for again. */
const EVERY = 10_000;

/** The values of one host; what is missing is not known. */
export type HostValues = Partial<Record<HostValue, number>>;

/** A host of the list. */
export interface HostRow {
  agent: Agent;
  values: HostValues;
  /** CPU's use over the last half hour, for the small chart. */
  trend: readonly number[];
}

/** Returns the agents of a page. */
export function useAgents(view: ListView) {
  return useQuery({
    queryKey: ["agents", view.q, view.size, view.token],
    queryFn: ({ signal }) =>
      api.agents(
        {
          pageSize: view.size,
          ...(view.token && { pageToken: view.token }),
          ...(view.q && { hostNameContains: view.q }),
        },
        signal,
      ),
    refetchInterval: EVERY,
    placeholderData: keepPreviousData,
  });
}

/** Returns the values of the given hosts, by host key. */
export function useHostValues(agents: readonly Agent[]) {
  const names = hostNames(agents);
  return useQuery({
    queryKey: ["host-values", names],
    queryFn: async ({ signal }) => {
      const queries = Object.entries(hostQueries(names)) as [HostValue, string][];
      const answers = await Promise.all(queries.map(([, query]) => api.query(query, signal)));
      return valuesByHost(queries.map(([value], i) => [value, answers[i] ?? []]));
    },
    enabled: names.length > 0,
    refetchInterval: EVERY,
    placeholderData: keepPreviousData,
  });
}

/** Returns the CPU's use of the given hosts over the last half hour, by host key. */
export function useTrends(agents: readonly Agent[]) {
  const names = hostNames(agents);
  return useQuery({
    queryKey: ["host-trends", names],
    queryFn: async ({ signal }) => {
      const to = Math.floor(serverNow() / MINUTE) * MINUTE;
      const series = await api.queryRange(
        trendQuery(names),
        { from: to - 30 * MINUTE, to, step: MINUTE },
        signal,
      );
      return new Map(series.map((s) => [keyOf(s), s.v]));
    },
    enabled: names.length > 0,
    refetchInterval: MINUTE,
    placeholderData: keepPreviousData,
  });
}

/** Returns the key of an agent's host in the answers to queries. */
export function hostKey(agent: Agent): string {
  return groupKey({ host_name: agent.hostName ?? "", host_id: agent.hostId ?? "" }, ["host_name", "host_id"]);
}

/** Sorts the answers of several queries by host. */
export function valuesByHost(
  answers: readonly (readonly [HostValue, readonly SeriesData[]])[],
): Map<string, HostValues> {
  const out = new Map<string, HostValues>();
  for (const [value, series] of answers) {
    for (const s of series) {
      const last = s.v.at(-1);
      if (last === undefined || Number.isNaN(last)) continue;
      const key = keyOf(s);
      out.set(key, { ...out.get(key), [value]: last });
    }
  }
  return out;
}

function keyOf(series: SeriesData): string {
  return groupKey(series.labels, ["host_name", "host_id"]);
}

function hostNames(agents: readonly Agent[]): string[] {
  return [...new Set(agents.map((a) => a.hostName ?? ""))].sort();
}
