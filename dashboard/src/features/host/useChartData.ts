import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { api } from "../../api/client";
import { live, type LiveSample } from "../../api/live";
import { append, frameOf, largest, since, type Frame, type Row } from "../../lib/frame";
import { isOf, rangeQuery, selector, windowOf, type Measure } from "../../lib/measure";
import { duration, select, type Matcher } from "../../lib/promql";
import { useStore } from "../../lib/store";
import { Tail, type TailSample } from "../../lib/tail";
import { bounds, MINUTE, SECOND, stepOf } from "../../lib/time-range";
import { serverNow } from "../../api/reach";
import type { Selection } from "../../lib/useTimeSelection";

/** The past is asked for again so often although every new sample arrives. */
const REFRESH = 5 * MINUTE;
/** And so often as long as none arrive. */
const POLL = 15 * SECOND;
/** Samples are kept so long for the next answer about the past. */
const RECENT = MINUTE;
/** Lines are drawn again at most so often. */
const REDRAW = 250;

/** More lines than this cannot be told apart. */
const MAX_LINES = 20;

interface Past {
  frame: Frame;
  step: number;
  /** Begins with the samples before the end of the frame. */
  tail: Tail;
}

/** What a chart shows. */
export interface ChartData {
  frame: Frame | undefined;
  /** Lines that are left out of the frame, because there are too many. */
  hidden: number;
  error: Error | null;
  /** True while the lines are those of another time range. */
  outdated: boolean;
  retry: () => void;
}

/**
 * Returns the lines of measures for the series that the matchers are of: the past
 * from range queries, its end from the samples that arrive.
 */
export function useChartData(
  measures: readonly Measure[],
  of: readonly Matcher[],
  selection: Selection,
  enabled: boolean,
): ChartData {
  const { range, moving, from } = selection;
  const connected = useStore(live.state) === "open";
  const past = useQuery({
    queryKey: ["chart", measures.map((m) => selector(m, of)), range, selection.anchor],
    queryFn: ({ signal }) =>
      loadPast(measures, of, bounds(range, selection.anchor ?? serverNow()), moving, signal),
    enabled,
    refetchInterval: moving ? (connected ? REFRESH : POLL) : false,
    staleTime: moving ? 0 : Infinity,
    placeholderData: keepPreviousData,
    structuralSharing: false,
  });
  const rows = useTail(measures, of, past.data, enabled && moving, () => void past.refetch());
  const shown = useMemo(
    () => past.data && largest(joined(past.data, rows, measures, from), MAX_LINES),
    [past.data, rows, measures, from],
  );
  return {
    frame: shown?.frame,
    hidden: shown?.hidden ?? 0,
    error: past.error,
    outdated: past.isPlaceholderData,
    retry: () => void past.refetch(),
  };
}

function joined(past: Past, rows: readonly Row[], measures: readonly Measure[], from: number): Frame {
  const maxGap = Math.max(2.5 * past.step, ...measures.map((m) => 3 * m.interval));
  return since(append(past.frame, rows, past.tail.lines, maxGap), from);
}

/** Returns the rows of the tail after the past as they are now. */
function rowsAfter({ frame, tail }: Past): readonly Row[] {
  return [...tail.since(frame.t.at(-1) ?? 0)];
}

/** Gives the tail of the past the samples that arrive; returns its rows. */
function useTail(
  measures: readonly Measure[],
  of: readonly Matcher[],
  past: Past | undefined,
  enabled: boolean,
  missed: () => void,
): readonly Row[] {
  const first = useMemo(() => (past ? rowsAfter(past) : []), [past]);
  const [grown, setGrown] = useState<{ past: Past; rows: readonly Row[] }>();
  const recent = useRef<{ arrived: number; samples: TailSample[] }[]>([]);
  const current = useRef(past);
  const onMissed = useRef(missed);
  useEffect(() => {
    onMissed.current = missed;
  });

  useEffect(() => {
    current.current = past;
    // What arrived while the past was asked for may not be part of the answer.
    if (past?.tail.push(recent.current.flatMap((r) => r.samples))) setGrown({ past, rows: rowsAfter(past) });
  }, [past]);

  useEffect(() => {
    if (!enabled) return undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const redraw = () => {
      timer = undefined;
      if (current.current) setGrown({ past: current.current, rows: rowsAfter(current.current) });
    };
    const stop = live.watch({
      match: measures.flatMap((m) => [selector(m, of), ...(m.shareOf ? [selector(m.shareOf, of)] : [])]),
      accepts: (labels) => measures.some((m) => isOf(m, labels) || (m.shareOf && isOf(m.shareOf, labels))),
      samples: (arrived) => {
        const samples = arrived.flatMap((s) => assign(measures, s));
        const now = Date.now();
        recent.current = [
          ...recent.current.filter((r) => now - r.arrived < RECENT),
          { arrived: now, samples },
        ];
        if (current.current?.tail.push(samples)) timer ??= setTimeout(redraw, REDRAW);
      },
      missed: () => onMissed.current(),
      // The past is asked for regularly then.
      refused: () => undefined,
    });
    return () => {
      stop();
      clearTimeout(timer);
      recent.current = [];
    };
  }, [measures, of, enabled]);
  // What grew on another past is not of this one.
  return grown && grown.past === past ? grown.rows : first;
}

/** Says of which measures a sample is one. */
function assign(measures: readonly Measure[], s: LiveSample): TailSample[] {
  return measures.flatMap((m, measure) => [
    ...(isOf(m, s.labels) ? [{ measure, whole: false, ...s }] : []),
    ...(m.shareOf && isOf(m.shareOf, s.labels) ? [{ measure, whole: true, ...s }] : []),
  ]);
}

async function loadPast(
  measures: readonly Measure[],
  of: readonly Matcher[],
  span: { from: number; to: number },
  moving: boolean,
  signal: AbortSignal,
): Promise<Past> {
  const step = stepOf(span.to - span.from);
  // Steps lie on multiples of their width, so that points do not wander.
  const grid = { from: Math.floor(span.from / step) * step, to: Math.floor(span.to / step) * step, step };
  const [results, samples] = await Promise.all([
    Promise.all(measures.map((m) => api.queryRange(rangeQuery(m, of, step), grid, signal))),
    moving ? loadRecent(measures, of, step, signal) : [],
  ]);
  const tail = new Tail(measures, step);
  tail.push(samples);
  return { frame: frameOf(measures, results, grid), step, tail };
}

/** Returns the samples that the first values after the past are computed from. */
async function loadRecent(
  measures: readonly Measure[],
  of: readonly Matcher[],
  step: number,
  signal: AbortSignal,
): Promise<TailSample[]> {
  const back = Math.max(...measures.map((m) => Math.max(windowOf(m, step), m.interval) + m.interval));
  const metrics = new Set(measures.flatMap((m) => [m.metric, ...(m.shareOf ? [m.shareOf.metric] : [])]));
  const answers = await Promise.all(
    [...metrics].map((metric) => api.query(`${select(metric, of)}[${duration(back)}]`, signal)),
  );
  return answers
    .flat()
    .flatMap((series) =>
      series.t.flatMap((t, i) => assign(measures, { labels: series.labels, t, v: series.v[i] ?? NaN })),
    );
}
