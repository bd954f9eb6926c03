/** The labels of a series; the metric's name is __name__. */
export type Labels = Readonly<Record<string, string>>;

/** A series with its samples: times in Unix milliseconds, ascending. */
export interface SeriesData {
  labels: Labels;
  t: number[];
  v: number[];
}

/** Returns one text for the values of the given labels, different for different values. */
export function groupKey(labels: Labels, by: readonly string[]): string {
  return JSON.stringify(by.map((name) => labels[name] ?? ""));
}

/** Returns only the given labels. */
export function pick(labels: Labels, by: readonly string[]): Labels {
  return Object.fromEntries(by.map((name) => [name, labels[name] ?? ""]));
}
