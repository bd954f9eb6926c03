// What two versions of a rule would have done, host by host.

import type { Backtest } from "../../api/schema";
import { int64, seconds } from "../../lib/proto-json";

/** How the two versions are called. */
export const VERSIONS = ["This version", "Other version"] as const;

/** One version's part. */
export interface Part {
  episodes: number;
  /** Seconds. */
  firing: number;
}

/** One host: a part for each version. */
export interface HostRow {
  host: string;
  parts: readonly Part[];
}

const NOTHING: Part = { episodes: 0, firing: 0 };

/** Returns the hosts of all versions: those where versions differ first, then those that fired longest. */
export function compareHosts(versions: readonly Backtest[]): HostRow[] {
  const rows = new Map<string, Part[]>();
  versions.forEach((version, i) => {
    for (const summary of version.hosts ?? []) {
      const host = summary.host ?? "";
      const parts = rows.get(host) ?? versions.map(() => NOTHING);
      parts[i] = { episodes: int64(summary.episodes), firing: seconds(summary.firing) ?? 0 };
      rows.set(host, parts);
    }
  });
  return [...rows]
    .map(([host, parts]) => ({ host, parts }))
    .sort(
      (a, b) =>
        Number(differs(b)) - Number(differs(a)) || longest(b) - longest(a) || a.host.localeCompare(b.host),
    );
}

/** Tells whether the versions would have done different things about the host. */
export function differs({ parts: [first, ...others] }: HostRow): boolean {
  return others.some((p) => p.episodes !== first?.episodes || p.firing !== first.firing);
}

const longest = ({ parts }: HostRow) => Math.max(...parts.map((p) => p.firing));
