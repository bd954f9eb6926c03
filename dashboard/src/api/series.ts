import type { SeriesData } from "../lib/labels";
import { double, int64 } from "../lib/proto-json";
import type { WireSeries } from "./schema";

/** Reads a series of an answer. */
export function seriesOf(series: WireSeries): SeriesData {
  const samples = series.samples ?? [];
  return {
    labels: series.labels ?? {},
    t: samples.map((s) => int64(s.timestampMs)),
    v: samples.map((s) => double(s.value)),
  };
}
