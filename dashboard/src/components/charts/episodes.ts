// Episodes as spans of charts.

import type { Episode } from "../../api/schema";
import { timestamp } from "../../lib/proto-json";
import type { Lane } from "./EpisodeLanes";
import type { Band } from "./TimeChart";

/** Returns the spans for which they fired; what fires still does so until the end. */
export function bandsOf(episodes: readonly Episode[], end: number): Band[] {
  return episodes.flatMap((e) => {
    const from = timestamp(e.fireTime);
    return from === undefined ? [] : [{ from, to: timestamp(e.resolveTime) ?? Math.max(from, end) }];
  });
}

/** Returns the host of an episode, as backtests count hosts. */
export function hostOfEpisode(episode: Episode): string {
  return episode.labels?.host_name ?? episode.labels?.instance ?? "";
}

/** Returns a lane for each host, those that fired longest first; one list of episodes for each version. */
export function lanesOf(versions: readonly (readonly Episode[])[], end: number): Lane[] {
  const hosts = new Map<string, Episode[][]>();
  versions.forEach((episodes, version) => {
    for (const episode of episodes) {
      const host = hostOfEpisode(episode);
      const lists = hosts.get(host) ?? versions.map(() => []);
      lists[version]?.push(episode);
      hosts.set(host, lists);
    }
  });
  const lanes = [...hosts].map(([name, lists]) => ({ name, bands: lists.map((list) => bandsOf(list, end)) }));
  const length = new Map(lanes.map((lane) => [lane, Math.max(...lane.bands.map(total))]));
  return lanes.sort((a, b) => (length.get(b) ?? 0) - (length.get(a) ?? 0) || a.name.localeCompare(b.name));
}

const total = (bands: readonly Band[]) => bands.reduce((sum, b) => sum + b.to - b.from, 0);
