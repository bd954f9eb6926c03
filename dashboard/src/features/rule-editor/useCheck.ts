import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { rulesApi } from "../../api/rules";
import type { Rule } from "../../api/schema";
import { useDebounced } from "../../lib/useDebounced";
import { asFile, textProblem, type TextProblem } from "./rule-text";

const PAUSE = 400;
const none: readonly TextProblem[] = [];

/** What the server says about a text. */
export interface Checked {
  problems: readonly TextProblem[];
  /** The rules, as far as they could be read. */
  rules: readonly Rule[];
  /** True while the text is being checked: what is said is about an older one. */
  busy: boolean;
  error: Error | null;
}

/** Has the text checked a moment after the last key. */
export function useCheck(text: string): Checked {
  const settled = useDebounced(text, PAUSE);
  const file = useMemo(() => asFile(settled), [settled]);
  const answer = useQuery({
    queryKey: ["rules", "check", file.content],
    queryFn: ({ signal }) => rulesApi.check("try.yaml", file.content, signal),
    enabled: settled.trim() !== "",
    placeholderData: keepPreviousData,
    staleTime: Infinity,
  });
  const wire = answer.data?.problems;
  const current = !answer.isPlaceholderData && settled === text;
  const problems = useMemo(() => wire?.map((p) => textProblem(file, p)) ?? none, [wire, file]);
  return {
    // Marks at the lines of another text would be wrong.
    problems: current ? problems : none,
    rules: answer.data?.rules ?? [],
    busy: !current || answer.isFetching,
    error: answer.error,
  };
}
