// The one way to the server. Every call returns what the contract says or throws
// an ApiError.

import createClient from "openapi-fetch";
import { ApiError, errorOf, unreachable } from "./errors";
import { answered, unanswered } from "./reach";
import type { Agent, paths, PlatformStatus } from "./schema";
import { seriesOf } from "./series";
import type { SeriesData } from "../lib/labels";

const client = createClient<paths>({
  baseUrl: globalThis.location.origin,
  // Read on each call, so that tests can put theirs in place.
  fetch: (request) => globalThis.fetch(request),
});

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
    if (!answer.agent) throw new ApiError("not_found", `There is no agent ${id}.`);
    return answer.agent;
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

function withSignal(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

async function call<T>(pending: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await pending;
  } catch (cause) {
    // Given up by the page itself: the next page, or a newer request.
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    unanswered();
    throw unreachable();
  }
  if (answer.data !== undefined) {
    answered(answer.response);
    return answer.data;
  }
  const error = errorOf(answer.response.status, answer.error);
  if (error.kind === "unreachable") unanswered();
  else answered(answer.response);
  throw error;
}
