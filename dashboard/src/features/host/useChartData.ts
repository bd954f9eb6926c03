import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { api } from "../../api/client";
import { live, type LiveSample } from "../../api/live";
import { append, frameOf, largest, since, type Frame } from "../../lib/frame";
import { isOf, rangeQuery, selector, windowOf, type Measure } from "../../lib/measure";
import { duration, select, type Matcher } from "../../lib/promql";
import { useStore } from "../../lib/store";
import { Tail, type TailSample } from "../../lib/tail";
import { bounds, MINUTE, SECOND, stepOf } from "../../lib/time-range";
import { serverNow } from "../../api/reach";
import type { Selection } from "./useTimeSelection";

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
export function useChartData(measures: readonly Measure[], of: readonly Matcher[], selection: Selection, enabled: boolean): ChartData {
  const { range, moving, from } = selection;
  const connected = useStore(live.state) === "open";
  const past = useQuery({
    queryKey: ["chart", measures.map((m) => selector(m, of)), range, selection.anchor],
    queryFn: ({ signal }) => loadPast(measures, of, bounds(range, selection.anchor ?? serverNow()), moving, signal),
    enabled,
    refetchInterval: moving ? (connected ? REFRESH : POLL) : false,
    staleTime: moving ? 0 : Infinity,
    placeholderData: keepPreviousData,
    structuralSharing: false,
  });
  const version = useTail(measures, of, past.data?.tail, enabled && moving, () => void past.refetch());
  const shown = useMemo(() => {
    void version; // the tail is one object that grows
    return past.data && largest(joined(past.data, measures, from), MAX_LINES);
  }, [past.data, measures, from, version]);
  return { frame: shown?.frame, hidden: shown?.hidden ?? 0, error: past.error, outdated: past.isPlaceholderData, retry: () => void past.refetch() };
}

function joined(past: Past, measures: readonly Measure[], from: number): Frame {
  const maxGap = Math.max(2.5 * past.step, ...measures.map((m) => 3 * m.interval));
  const end = past.frame.t.at(-1) ?? 0;
  return since(append(past.frame, past.tail.since(end), past.tail.names, maxGap), from);
}

/** Gives the tail the samples that arrive; returns a number that grows with it. */
function useTail(
  measures: readonly Measure[],
  of: readonly Matcher[],
  tail: Tail | undefined,
  enabled: boolean,
  missed: () => void,
): number {
  const [version, setVersion] = useState(0);
  const recent = useRef<{ arrived: number; samples: TailSample[] }[]>([]);
  const current = useRef(tail);
  const onMissed = useRef(missed);
  useEffect(() => {
    onMissed.current = missed;
  });

  useEffect(() => {
    current.current = tail;
    // What arrived while the past was asked for may not be part of the answer.
    if (tail?.push(recent.current.flatMap((r) => r.samples))) setVersion((v) => v + 1);
  }, [tail]);

  useEffect(() => {
    if (!enabled) return undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const redraw = () => {
      timer = undefined;
      setVersion((v) => v + 1);
    };
    const stop = live.watch({
      match: measures.flatMap((m) => [selector(m, of), ...(m.shareOf ? [selector(m.shareOf, of)] : [])]),
      accepts: (labels) => measures.some((m) => isOf(m, labels) || (m.shareOf && isOf(m.shareOf, labels))),
      samples: (arrived) => {
        const samples = arrived.flatMap((s) => assign(measures, s));
        const now = Date.now();
        recent.current = [...recent.current.filter((r) => now - r.arrived < RECENT), { arrived: now, samples }];
        if (current.current?.push(samples)) timer ??= setTimeout(redraw, REDRAW);
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
  return version;
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
async function loadRecent(measures: readonly Measure[], of: readonly Matcher[], step: number, signal: AbortSignal): Promise<TailSample[]> {
  const back = Math.max(...measures.map((m) => Math.max(windowOf(m, step), m.interval) + m.interval));
  const metrics = new Set(measures.flatMap((m) => [m.metric, ...(m.shareOf ? [m.shareOf.metric] : [])]));
  const answers = await Promise.all([...metrics].map((metric) => api.query(`${select(metric, of)}[${duration(back)}]`, signal)));
  return answers.flat().flatMap((series) =>
    series.t.flatMap((t, i) => assign(measures, { labels: series.labels, t, v: series.v[i] ?? NaN })),
  );
}
