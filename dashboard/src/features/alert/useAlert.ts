import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { alertsApi } from "../../api/alerts";
import { deliveryApi } from "../../api/delivery";
import type { Selection } from "../../lib/useTimeSelection";
import { EVERY } from "../../components/alerts/useAlerts";

/** Returns an alert with what happened to it. */
export function useAlert(id: string) {
  return useQuery({
    queryKey: ["alerts", "one", id],
    queryFn: ({ signal }) => alertsApi.get(id, signal),
    refetchInterval: EVERY,
  });
}

/** Episodes change seldom, and each change is in the alert's history, too. */
const EPISODES_EVERY = 15_000;

/** Returns the times for which the alert fired in the time range. */
export function useEpisodes(alertId: string, { range, from, to, moving }: Selection) {
  return useQuery({
    queryKey: ["alerts", "episodes", alertId, range, moving ? "now" : to],
    queryFn: ({ signal }) => alertsApi.episodes({ alertId, from, to }, signal),
    refetchInterval: moving ? EPISODES_EVERY : false,
    placeholderData: keepPreviousData,
  });
}

/** Returns the last notifications that had the alert in them. */
export function useNotificationsOf(alertId: string) {
  return useQuery({
    queryKey: ["notifications", "alert", alertId],
    queryFn: ({ signal }) => deliveryApi.notifications({ alertId, pageSize: 20 }, signal),
    refetchInterval: EVERY,
  });
}
