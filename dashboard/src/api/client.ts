// Hosts, the platform and queries. The other files here do the same for alerting:
// alerts, rules, silences and delivery.

import { call, client, present, withSignal } from "./http";
import type { Agent, PlatformStatus } from "./schema";
import { seriesOf } from "./series";
import type { SeriesData } from "../lib/labels";

/** A page of agents. */
export interface AgentPage {
  agents: Agent[];
  nextPageToken: string;
  totalSize: number;
}

export const api = {
  /** Lists agents by host name. */
  async agents(
    query: { pageSize: number; pageToken?: string; hostNameContains?: string },
    signal?: AbortSignal,
  ): Promise<AgentPage> {
    const page = await call(client.GET("/api/v1/agents", { params: { query }, ...withSignal(signal) }));
    return {
      agents: page.agents ?? [],
      nextPageToken: page.nextPageToken ?? "",
      totalSize: Number(page.totalSize ?? 0),
    };
  },

  /** Returns one agent. */
  async agent(id: string, signal?: AbortSignal): Promise<Agent> {
    const answer = await call(
      client.GET("/api/v1/agents/{id}", { params: { path: { id } }, ...withSignal(signal) }),
    );
    return present(answer.agent, `agent ${id}`);
  },

  /** Returns the state of the platform. */
  status(signal?: AbortSignal): Promise<PlatformStatus> {
    return call(client.GET("/api/v1/status", withSignal(signal)));
  },

  /** Evaluates an expression now. */
  async query(query: string, signal?: AbortSignal): Promise<SeriesData[]> {
    const answer = await call(client.POST("/api/v1/query", { body: { query }, ...withSignal(signal) }));
    return (answer.series ?? []).map(seriesOf);
  },

  /** Evaluates an expression at every step of a span; times in Unix milliseconds. */
  async queryRange(
    query: string,
    span: { from: number; to: number; step: number },
    signal?: AbortSignal,
  ): Promise<SeriesData[]> {
    const body = {
      query,
      start: new Date(span.from).toISOString(),
      end: new Date(span.to).toISOString(),
      stepMs: String(span.step),
    };
    const answer = await call(client.POST("/api/v1/query_range", { body, ...withSignal(signal) }));
    return (answer.series ?? []).map(seriesOf);
  },
};
