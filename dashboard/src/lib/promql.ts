// Writing PromQL: everything that puts outside text into a query goes through
// here, so that no host name can change what a query means.

import type { Labels } from "./labels";

/** A condition on a label of a series. */
export interface Matcher {
  label: string;
  op: "=" | "!=" | "=~" | "!~";
  value: string;
}

/** The labels that name a host's series. */
export interface HostLabels {
  hostName: string;
  hostId: string;
}

/** Returns the matcher label="value". */
export function equals(label: string, value: string): Matcher {
  return { label, op: "=", value };
}

/** Returns the matcher label!="value". */
export function differs(label: string, value: string): Matcher {
  return { label, op: "!=", value };
}

/** Returns the matcher that accepts any of the values. */
export function oneOf(label: string, values: readonly string[]): Matcher {
  const [only] = values;
  if (values.length === 1 && only !== undefined) return equals(label, only);
  return { label, op: "=~", value: values.map(escapeRegExp).join("|") };
}

/**
 * Returns the matchers of one host's own series. A host without a machine id
 * matches series without the label.
 */
export function ofHost(host: HostLabels): Matcher[] {
  return [equals("host_name", host.hostName), equals("host_id", host.hostId)];
}

/** Writes a selector from a metric name and matchers. */
export function select(metric: string, matchers: readonly Matcher[]): string {
  const list = matchers.map((m) => `${m.label}${m.op}${quote(m.value)}`).join(",");
  return list === "" ? metric : `${metric}{${list}}`;
}

/** Tells whether a series with the labels meets all conditions, as PromQL would. */
export function accepts(matchers: readonly Matcher[], labels: Labels): boolean {
  return matchers.every((m) => {
    const value = labels[m.label] ?? "";
    const regexp = m.op === "=~" || m.op === "!~";
    const equal = regexp ? new RegExp(`^(?:${m.value})$`, "s").test(value) : value === m.value;
    return equal === (m.op === "=" || m.op === "=~");
  });
}

/** Writes a string literal. */
export function quote(text: string): string {
  return `"${text.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n")}"`;
}

/** Escapes text for a regular expression that is to match it literally. */
export function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.|?*+()[\]{}]/g, "\\$&");
}

/** Writes a duration of whole milliseconds. */
export function duration(ms: number): string {
  if (ms % 60_000 === 0) return `${ms / 60_000}m`;
  if (ms % 1000 === 0) return `${ms / 1000}s`;
  return `${ms}ms`;
}
