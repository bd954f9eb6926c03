import { useQuery } from "@tanstack/react-query";
import { alertsApi } from "../../api/alerts";
import { rulesApi } from "../../api/rules";
import type { Selection } from "../../lib/useTimeSelection";

const EVERY = 10_000;

/** Returns all rules and what is wrong with the configuration. */
export function useRules() {
  return useQuery({
    queryKey: ["rules", "list"],
    queryFn: ({ signal }) => rulesApi.list(signal),
    refetchInterval: EVERY,
  });
}

/** Returns one rule with its text. */
export function useRule(id: string) {
  return useQuery({
    queryKey: ["rules", "one", id],
    queryFn: ({ signal }) => rulesApi.get(id, signal),
    enabled: id !== "",
    refetchInterval: EVERY,
  });
}

/** Returns the times for which alerts of the rule fired in the time range. */
export function useRuleEpisodes(ruleId: string, { range, from, to, moving }: Selection) {
  return useQuery({
    queryKey: ["rules", "episodes", ruleId, range, moving ? "now" : to],
    queryFn: ({ signal }) => alertsApi.episodes({ ruleId, from, to }, signal),
    refetchInterval: moving ? EVERY : false,
  });
}
