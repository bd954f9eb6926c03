// Writing PromQL: everything that puts outside text into a query goes through
// here, so that no host name can change what a query means.

/** The labels that name a host's series. */
export interface HostLabels {
  hostName: string;
  hostId: string;
}

/** Writes a string literal. */
export function quote(text: string): string {
  return `"${text.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n")}"`;
}

/** Escapes text for a regular expression that is to match it literally. */
export function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.|?*+()[\]{}]/g, "\\$&");
}

/** Writes the matcher label="value". */
export function equals(label: string, value: string): string {
  return `${label}=${quote(value)}`;
}

/** Writes the matcher that accepts any of the values. */
export function oneOf(label: string, values: readonly string[]): string {
  const [only] = values;
  if (values.length === 1 && only !== undefined) return equals(label, only);
  return `${label}=~${quote(values.map(escapeRegExp).join("|"))}`;
}

/** Writes a selector from a metric name and matchers; empty ones are left out. */
export function select(metric: string, ...matchers: string[]): string {
  const list = matchers.filter((m) => m !== "").join(",");
  return list === "" ? metric : `${metric}{${list}}`;
}

/**
 * Writes the matchers of one host's own series. A host without a machine id
 * matches series without the label.
 */
export function ofHost(host: HostLabels): string {
  return `${equals("host_name", host.hostName)},${equals("host_id", host.hostId)}`;
}

/** Writes a duration of whole milliseconds. */
export function duration(ms: number): string {
  if (ms % 60_000 === 0) return `${ms / 60_000}m`;
  if (ms % 1000 === 0) return `${ms / 1000}s`;
  return `${ms}ms`;
}
