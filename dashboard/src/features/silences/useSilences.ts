import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { silencesApi } from "../../api/silences";
import type { Silence } from "../../api/schema";
import type { PageView } from "../../lib/pages";
import { useDebounced } from "../../lib/useDebounced";

const EVERY = 10_000;

/** Returns a page of silences. */
export function useSilences({ size, token, expired }: PageView & { expired: boolean }) {
  return useQuery({
    queryKey: ["silences", "list", size, token, expired],
    queryFn: ({ signal }) =>
      silencesApi.list(
        { pageSize: size, ...(token && { pageToken: token }), ...(expired && { expired }) },
        signal,
      ),
    refetchInterval: EVERY,
    placeholderData: keepPreviousData,
  });
}

/** Returns one silence. */
export function useSilence(id: string) {
  return useQuery({
    queryKey: ["silences", "one", id],
    queryFn: ({ signal }) => silencesApi.get(id, signal),
    enabled: id !== "",
  });
}

const PAUSE = 400;

/** Returns what a silence would hide, a moment after it was last changed; undefined asks for nothing. */
export function usePreview(silence: Pick<Silence, "matchers" | "recurrence"> | undefined) {
  // As text, so that the same again is no change.
  const settled = useDebounced(silence ? JSON.stringify(silence) : "", PAUSE);
  return useQuery({
    queryKey: ["silences", "preview", settled],
    queryFn: ({ signal }) => silencesApi.preview(JSON.parse(settled) as Silence, signal),
    enabled: settled !== "",
    refetchInterval: EVERY,
    placeholderData: keepPreviousData,
  });
}

/** Returns how to make or replace a silence. */
export function useSave() {
  const client = useQueryClient();
  return useMutation({
    networkMode: "always",
    mutationFn: (silence: Silence) => silencesApi.save(silence),
    onSuccess: () => invalidate(client),
  });
}

/** Returns how to end a silence now. */
export function useExpire() {
  const client = useQueryClient();
  return useMutation({
    networkMode: "always",
    mutationFn: (id: string) => silencesApi.expire(id),
    onSuccess: () => invalidate(client),
  });
}

async function invalidate(client: ReturnType<typeof useQueryClient>) {
  await Promise.all([
    client.invalidateQueries({ queryKey: ["silences"] }),
    client.invalidateQueries({ queryKey: ["alerts"] }),
  ]);
}
