import { useCallback, useState } from "react";

/** What stands in the editor. */
export interface Draft {
  text: string;
  /** Another version to compare with. */
  other?: string | undefined;
}

const KEY = "esmon.rule-draft";

export const EXAMPLE = `alert: LoadHigh
expr: |
  max by (host_name) (esmon_load_5m{os_type="linux"}) > 1.5
for: 5m
labels:
  severity: warning
annotations:
  summary: "The load of {{ $labels.host_name }} is {{ $value | humanize }}"
`;

/** Returns the draft, which a reload of the page does not lose, and how to change it. */
export function useDraft(): [Draft, (change: Partial<Draft>) => void] {
  const [draft, setDraft] = useState(remembered);
  const change = useCallback((part: Partial<Draft>) => {
    setDraft((before) => {
      const next = { ...before, ...part };
      remember(next);
      return next;
    });
  }, []);
  return [draft, change];
}

function remembered(): Draft {
  try {
    const draft = JSON.parse(sessionStorage.getItem(KEY) ?? "null") as Partial<Draft> | null;
    if (typeof draft?.text === "string") {
      return { text: draft.text, ...(typeof draft.other === "string" && { other: draft.other }) };
    }
  } catch {
    // Storage may be forbidden, or hold what an older page wrote.
  }
  return { text: EXAMPLE };
}

function remember(draft: Draft) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(draft));
  } catch {
    // It is only a convenience.
  }
}
