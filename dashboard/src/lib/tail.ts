// The end of a chart: rows computed from samples as they arrive, while the past
// before them comes from a query.

import { drawn, identify, type Line, type Row } from "./frame";
import { groupKey, type Labels } from "./labels";
import { windowOf, type Measure } from "./measure";
import { GaugeState, RateState, type SeriesState } from "./rate";

/** A new sample of a series of one of the measures. */
export interface TailSample {
  measure: number;
  /** Whether the series is one of what the value is a share of. */
  whole: boolean;
  labels: Labels;
  t: number;
  v: number;
}

interface Member {
  line: string;
  state: SeriesState;
}

/** Samples of one collection arrive at about one time; they make one row. */
const BUCKET = 1000;

/** Computes the rows of a chart's end. */
export class Tail {
  private members = new Map<string, Member>();
  private parts: Map<string, SeriesState[]>[];
  private wholes: Map<string, SeriesState[]>[];
  private rows: Row[] = [];
  /** The lines seen, by key. */
  readonly lines = new Map<string, Omit<Line, "v">>();

  constructor(
    private readonly measures: readonly Measure[],
    private readonly step: number,
  ) {
    this.parts = measures.map(() => new Map<string, SeriesState[]>());
    this.wholes = measures.map(() => new Map<string, SeriesState[]>());
  }

  /** Takes samples, of several series and in any order; tells if rows changed. */
  push(samples: readonly TailSample[]): boolean {
    const byTime = [...samples].sort((a, b) => a.t - b.t);
    const touched = new Set<number>();
    for (const sample of byTime) {
      if (this.member(sample).state.push(sample.t, sample.v))
        touched.add(Math.ceil(sample.t / BUCKET) * BUCKET);
    }
    for (const t of touched) this.upsert(this.row(t));
    return touched.size > 0;
  }

  /** Returns the rows since a moment and forgets those before it. */
  since(from: number): readonly Row[] {
    const first = this.rows.findIndex((row) => row.t >= from);
    if (first !== 0) this.rows = first < 0 ? [] : this.rows.slice(first);
    return this.rows;
  }

  private member(sample: TailSample): Member {
    const key = `${sample.measure}${sample.whole ? "w" : "p"}${groupKey(sample.labels, Object.keys(sample.labels).sort())}`;
    const known = this.members.get(key);
    if (known) return known;
    const measure = this.measures[sample.measure];
    if (!measure) throw new Error(`no measure ${sample.measure}`);
    const identity = identify(this.measures, sample.measure, sample.labels);
    const line = identity.key;
    const state = measure.kind === "counter" ? new RateState(windowOf(measure, this.step)) : new GaugeState();
    const member = { line, state };
    this.members.set(key, member);
    const groups = (sample.whole ? this.wholes : this.parts)[sample.measure];
    const group = groups?.get(line);
    if (group) group.push(state);
    else groups?.set(line, [state]);
    if (!sample.whole) this.lines.set(line, identity);
    return member;
  }

  private row(t: number): Row {
    const values = new Map<string, number | null>();
    this.measures.forEach((measure, m) => {
      for (const [line, states] of this.parts[m] ?? []) {
        let value = combine(states, t, measure.aggregate);
        if (measure.shareOf && value !== undefined) {
          const whole = combine(this.wholes[m]?.get(line) ?? [], t, "sum");
          value = whole ? value / whole : undefined;
        }
        values.set(line, drawn(value, measure));
      }
    });
    return { t, values };
  }

  private upsert(row: Row) {
    const at = this.rows.findLastIndex((r) => r.t <= row.t);
    if (this.rows[at]?.t === row.t) this.rows[at] = row;
    else this.rows.splice(at + 1, 0, row);
  }
}

function combine(states: readonly SeriesState[], t: number, how: Measure["aggregate"]): number | undefined {
  let sum = 0;
  let max = -Infinity;
  let count = 0;
  for (const state of states) {
    const v = state.at(t);
    if (v === undefined) continue;
    sum += v;
    max = Math.max(max, v);
    count++;
  }
  if (count === 0) return undefined;
  return how === "sum" ? sum : how === "avg" ? sum / count : max;
}
