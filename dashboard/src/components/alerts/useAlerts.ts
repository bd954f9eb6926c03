import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { alertsApi, type AlertFilter, type AlertQuery } from "../../api/alerts";
import type { Acknowledgement } from "../../api/schema";

/** Lists are asked for again so often while they are looked at. */
export const EVERY = 5000;

/** Returns a page of alerts; without a query, nothing is asked for. */
export function useAlerts(query: AlertQuery | undefined) {
  return useQuery({
    queryKey: ["alerts", "list", query],
    queryFn: ({ signal }) => alertsApi.list(query ?? { pageSize: 1 }, signal),
    enabled: query !== undefined,
    refetchInterval: EVERY,
    placeholderData: keepPreviousData,
  });
}

/** Returns a page of the groups of alerts. */
export function useAlertGroups(query: (AlertQuery & { by: string }) | undefined) {
  return useQuery({
    queryKey: ["alerts", "groups", query],
    queryFn: ({ signal }) => alertsApi.groups(query ?? { pageSize: 1, by: "" }, signal),
    enabled: query !== undefined,
    refetchInterval: EVERY,
    placeholderData: keepPreviousData,
  });
}

/** Returns how many alerts there are of each state and condition, whatever is listed. */
export function useAlertCounts(filter: AlertFilter | undefined) {
  const matchers = filter?.matchers;
  return useAlerts(filter && { pageSize: 1, ...(matchers && { matchers }) }).data?.counts;
}

/** Returns how to acknowledge alerts; the result is the ids that could not be. */
export function useAcknowledge() {
  const client = useQueryClient();
  return useMutation({
    networkMode: "always",
    mutationFn: (body: Acknowledgement) => alertsApi.acknowledge(body),
    onSettled: () => client.invalidateQueries({ queryKey: ["alerts"] }),
  });
}

/** Returns how to take acknowledgements back. */
export function useUnacknowledge() {
  const client = useQueryClient();
  return useMutation({
    networkMode: "always",
    mutationFn: (body: { ids: string[]; author: string }) => alertsApi.unacknowledge(body),
    onSettled: () => client.invalidateQueries({ queryKey: ["alerts"] }),
  });
}
