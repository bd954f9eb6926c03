// Silences: for a time, alerts that match are not told.

import { call, client, present, withSignal } from "./http";
import type { Silence, SilencePreview } from "./schema";

/** A page of silences. */
export interface SilencePage {
  silences: Silence[];
  nextPageToken: string;
}

export const silencesApi = {
  /** Lists silences, those that end last first. */
  async list(
    query: { pageSize: number; pageToken?: string; expired?: boolean },
    signal?: AbortSignal,
  ): Promise<SilencePage> {
    const page = await call(client.GET("/api/v1/silences", { params: { query }, ...withSignal(signal) }));
    return { silences: page.silences ?? [], nextPageToken: page.nextPageToken ?? "" };
  },

  /** Returns one silence. */
  async get(id: string, signal?: AbortSignal): Promise<Silence> {
    const answer = await call(
      client.GET("/api/v1/silences/{id}", { params: { path: { id } }, ...withSignal(signal) }),
    );
    return present(answer.silence, `silence ${id}`);
  },

  /** Makes a silence, or replaces the one whose id it has. */
  async save(silence: Silence): Promise<Silence> {
    const { id } = silence;
    const answer = await call(
      id
        ? client.PUT("/api/v1/silences/{silence.id}", {
            params: { path: { "silence.id": id } },
            body: silence,
          })
        : client.POST("/api/v1/silences", { body: silence }),
    );
    return present(answer.silence, "silence in the answer");
  },

  /** Ends a silence now. */
  async expire(id: string): Promise<void> {
    await call(client.POST("/api/v1/silences/{id}/expire", { params: { path: { id } } }));
  },

  /** Says what a silence would hide. */
  preview(silence: Silence, signal?: AbortSignal): Promise<SilencePreview> {
    return call(client.POST("/api/v1/silences:preview", { body: { silence }, ...withSignal(signal) }));
  },
};
