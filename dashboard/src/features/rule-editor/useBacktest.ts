import { useMutation } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { rulesApi } from "../../api/rules";
import type { Backtest, Problem } from "../../api/schema";
import { asItem } from "./rule-text";
import type { Draft } from "./useDraft";

/** What came of a backtest, and what it was of. */
export interface BacktestOutcome {
  text: string;
  other: string | undefined;
  span: { from: number; to: number };
  versions: readonly Backtest[];
  problems: readonly Problem[];
}

/** Runs backtests, one at a time. */
export interface BacktestRun {
  pending: boolean;
  error: Error | null;
  result: BacktestOutcome | undefined;
  start: (draft: Draft, span: { from: number; to: number }) => void;
  cancel: () => void;
}

/** Returns how to run backtests; onStart hears of the span that one is over. */
export function useBacktest(onStart: (span: { from: number; to: number }) => void): BacktestRun {
  const [result, setResult] = useState<BacktestOutcome>();
  const running = useRef<AbortController>(undefined);
  const run = useMutation({
    networkMode: "always",
    mutationFn: async ({ draft, span, signal }: { draft: Draft; span: Span; signal: AbortSignal }) => {
      const other = draft.other?.trim() ? draft.other : undefined;
      const body = {
        rule: asItem(draft.text),
        ...(other !== undefined && { other: asItem(other) }),
        start: new Date(span.from).toISOString(),
        end: new Date(span.to).toISOString(),
        notifications: true,
      };
      const answer = await rulesApi.backtest(body, signal);
      const versions = [answer.result, other === undefined ? undefined : answer.other];
      return {
        text: draft.text,
        other: draft.other,
        span,
        versions: versions.filter((v) => v !== undefined),
        problems: answer.problems ?? [],
      };
    },
    onSuccess: (outcome, { signal }) => {
      if (!signal.aborted) setResult(outcome);
    },
  });
  const cancel = () => {
    running.current?.abort();
    run.reset();
  };
  return {
    pending: run.isPending,
    error: run.error,
    result,
    start: (draft, { from, to }) => {
      cancel();
      running.current = new AbortController();
      const span = { from: Math.round(from), to: Math.round(to) };
      onStart(span);
      run.mutate({ draft, span, signal: running.current.signal });
    },
    cancel,
  };
}

interface Span {
  from: number;
  to: number;
}
