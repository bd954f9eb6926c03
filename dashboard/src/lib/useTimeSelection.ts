import { useCallback, useMemo, useState } from "react";
import { useSearchParams } from "react-router";
import { serverNow } from "../api/reach";
import {
  bounds,
  DEFAULT_SELECTION,
  parseSelection,
  SECOND,
  writeSelection,
  type TimeRange,
  type TimeSelection,
} from "./time-range";
import { useNow } from "./useNow";

/** The time range of the page as it is now. */
export interface Selection {
  range: TimeRange;
  /** Whether the charts move on with the clock. */
  moving: boolean;
  /** Where a range that stands still ends; undefined while it moves. */
  anchor: number | undefined;
  from: number;
  to: number;
}

/** Returns the time range in the URL, and how to choose another; standard is what no range in it means. */
export function useTimeSelection(
  standard: TimeSelection = DEFAULT_SELECTION,
): [Selection, (selection: TimeSelection) => void] {
  const [params, setParams] = useSearchParams();
  const { range, live } = useMemo(() => parseSelection(params, standard), [params, standard]);
  const moving = live && range.kind === "last";
  const now = useNow(moving ? tickOf(range.ms) : 0);
  // A range that stands still ends at the moment when it came to stand.
  const [anchor, setAnchor] = useState(serverNow);
  const [was, setWas] = useState(moving);
  if (was !== moving) {
    setWas(moving);
    setAnchor(serverNow());
  }
  const selection = useMemo((): Selection => {
    const end = moving ? now : anchor;
    return { range, moving, anchor: moving ? undefined : anchor, ...spanOf(range, end) };
  }, [range, moving, now, anchor]);
  const select = useCallback(
    (next: TimeSelection) =>
      setParams((current) => writeSelection(current, next, standard), { replace: false }),
    [setParams, standard],
  );
  return [selection, select];
}

function spanOf(range: TimeRange, now: number): { from: number; to: number } {
  const { from, to } = bounds(range, now);
  return { from, to };
}

/** Charts move on in steps of about a pixel, but not more often than each second. */
function tickOf(span: number): number {
  return Math.min(30 * SECOND, Math.max(SECOND, Math.round(span / 900)));
}
