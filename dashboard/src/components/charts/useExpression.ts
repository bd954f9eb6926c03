import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { api } from "../../api/client";
import { serverNow } from "../../api/reach";
import { frameOfSeries } from "../../lib/expression";
import { largest, type Frame } from "../../lib/frame";
import { bounds, SECOND, stepOf } from "../../lib/time-range";
import type { Selection } from "../../lib/useTimeSelection";

/** A chart that moves is asked for again so often. */
const EVERY = 15 * SECOND;
/** More lines than this cannot be told apart. */
const MAX_LINES = 20;

/** The lines of an expression. */
export interface ExpressionData {
  frame: Frame | undefined;
  hidden: number;
  error: Error | null;
  /** True while the lines are those of another expression or time range. */
  outdated: boolean;
  retry: () => void;
}

/** Returns the lines of an expression over the time range; of an empty one, none. */
export function useExpression(query: string, selection: Selection): ExpressionData {
  const { range, moving, anchor } = selection;
  const answer = useQuery({
    queryKey: ["expression", query, range, anchor],
    queryFn: async ({ signal }) => {
      const { from, to } = bounds(range, anchor ?? serverNow());
      const step = stepOf(to - from);
      // Steps lie on multiples of their width, so that points do not wander.
      const grid = { from: Math.floor(from / step) * step, to: Math.floor(to / step) * step, step };
      return frameOfSeries(await api.queryRange(query, grid, signal), grid);
    },
    enabled: query !== "",
    refetchInterval: moving ? EVERY : false,
    placeholderData: keepPreviousData,
    structuralSharing: false,
  });
  const shown = useMemo(() => answer.data && largest(answer.data, MAX_LINES), [answer.data]);
  return {
    frame: shown?.frame,
    hidden: shown?.hidden ?? 0,
    error: answer.error,
    outdated: answer.isPlaceholderData,
    retry: () => void answer.refetch(),
  };
}
