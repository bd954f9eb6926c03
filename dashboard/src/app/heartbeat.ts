import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { api } from "../api/client";
import { live } from "../api/live";
import { reach } from "../api/reach";
import { backoff } from "../lib/backoff";
import { useStore } from "../lib/store";

const CALM = 10_000;

/** The state of the platform, asked for on every page. */
export function usePlatformStatus() {
  return useQuery({
    queryKey: ["status"],
    queryFn: ({ signal }) => api.status(signal),
    // Lost: ask more often, at random times, each the later the longer it lasts.
    refetchInterval: ({ state }) =>
      state.fetchFailureCount > 0 || state.status === "error"
        ? 500 + backoff(state.errorUpdateCount, { first: 1000, max: 8000 })
        : CALM,
    refetchIntervalInBackground: true,
  });
}

/**
 * Notices when the server goes and when it is back; then all that is on the page
 * is asked for again.
 */
export function useHeartbeat() {
  const client = useQueryClient();
  const { ok } = useStore(reach);
  const before = useRef(ok);
  usePlatformStatus();
  useEffect(() => {
    if (ok && !before.current) {
      live.retry();
      void client.invalidateQueries();
    }
    if (!ok && before.current) void client.refetchQueries({ queryKey: ["status"] });
    before.current = ok;
  }, [ok, client]);
}
