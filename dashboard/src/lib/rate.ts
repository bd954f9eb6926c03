// Values of one series at the end of a chart, computed from the samples that
// arrive, in the way that PromQL computes the points before them.

/** How long a gauge's value holds without a new sample: PromQL's lookback. */
export const LOOKBACK = 5 * 60_000;

/** Takes the samples of one series and gives its value at a moment. */
export interface SeriesState {
  /**
   * Takes a sample. NaN ends the series: it is how a stale marker arrives.
   * Samples that are not newer than the last are ignored and give false.
   */
  push(t: number, v: number): boolean;
  /** Returns the value at t, undefined if there is none. t never goes back far. */
  at(t: number): number | undefined;
}

/** The last value of a gauge. */
export class GaugeState implements SeriesState {
  private t = -Infinity;
  private v: number | undefined;

  push(t: number, v: number): boolean {
    if (t <= this.t) return false;
    this.t = t;
    this.v = Number.isNaN(v) ? undefined : v;
    return true;
  }

  at(t: number): number | undefined {
    return t - this.t < LOOKBACK ? this.v : undefined;
  }
}

/**
 * The increase of a counter a second, over a window. A value below the one
 * before means that the counter began again at zero.
 */
export class RateState implements SeriesState {
  private times: number[] = [];
  // Sum of all increases since the first sample: differences of it are
  // increases, resets taken into account.
  private totals: number[] = [];
  private lastTime = -Infinity;
  private lastValue = 0;

  constructor(private readonly window: number) {}

  push(t: number, v: number): boolean {
    if (t <= this.lastTime) return false;
    this.lastTime = t;
    if (Number.isNaN(v)) {
      this.times = [];
      this.totals = [];
      return true;
    }
    const before = this.totals.at(-1);
    const increase = before === undefined ? 0 : v < this.lastValue ? v : v - this.lastValue;
    this.times.push(t);
    this.totals.push((before ?? 0) + increase);
    this.lastValue = v;
    this.forget(t - 2 * this.window);
    return true;
  }

  at(t: number): number | undefined {
    const last = this.times.findLastIndex((x) => x <= t);
    const first = this.times.findIndex((x) => x > t - this.window);
    if (last < 0 || first < 0 || first >= last) return undefined;
    const seconds = ((this.times[last] ?? 0) - (this.times[first] ?? 0)) / 1000;
    return ((this.totals[last] ?? 0) - (this.totals[first] ?? 0)) / seconds;
  }

  private forget(before: number) {
    const keep = this.times.findIndex((x) => x >= before);
    if (keep > 0) {
      this.times.splice(0, keep);
      this.totals.splice(0, keep);
    }
  }
}
