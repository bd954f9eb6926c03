import { QueryClient } from "@tanstack/react-query";
import { ApiError } from "../api/errors";

/** Makes the cache of what the server said. */
export function newQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        // The server may be on this machine: the browser's idea of being online
        // says nothing about it.
        networkMode: "always",
        refetchOnWindowFocus: false,
        staleTime: 5000,
        // A request that the server refused is refused again. What cannot be
        // reached is watched by the heartbeat, which brings everything back.
        retry: (count, error) => error instanceof ApiError && error.kind === "failed" && count < 1,
      },
    },
  });
}
