import { useQuery } from "@tanstack/react-query";
import { api } from "../../api/client";
import { groupKey, type Labels, type SeriesData } from "../../lib/labels";
import type { Matcher } from "../../lib/promql";
import { MINUTE, SECOND } from "../../lib/time-range";
import { consumerQueries, factQueries, filesystemQueries, TOP } from "./tables";

/** A group of processes with one program and owner; what is not known is undefined. */
export interface Consumer {
  program: string;
  owner: string;
  /** CPUs used, 1 being one whole CPU. */
  cpu: number | undefined;
  memory: number | undefined;
  threads: number | undefined;
  count: number | undefined;
}

/** What the list of consumers is sorted by. */
export type ConsumerOrder = "cpu" | "memory";

/** Returns the groups of processes that use most. */
export function useConsumers(of: readonly Matcher[], order: ConsumerOrder) {
  return useQuery({
    queryKey: ["consumers", of],
    queryFn: ({ signal }) => queryAll(consumerQueries(of), signal).then(consumersOf),
    select: (all) => topConsumers(all, order),
    refetchInterval: 15 * SECOND,
  });
}

/** Joins the answers of the queries of consumers. */
export function consumersOf(
  answers: Record<keyof ReturnType<typeof consumerQueries>, SeriesData[]>,
): Consumer[] {
  const by = ["process_executable_name", "process_owner"];
  const rows = join(answers, by);
  return [...rows.values()].map(({ labels, values }) => ({
    program: labels.process_executable_name ?? "",
    owner: labels.process_owner ?? "",
    cpu: values.cpu,
    memory: values.memory,
    threads: values.threads,
    count: values.count,
  }));
}

/** Returns those that use most; how much CPU a new one uses is known only later. */
export function topConsumers(all: readonly Consumer[], order: ConsumerOrder): Consumer[] {
  const by = (key: ConsumerOrder) => (a: Consumer, b: Consumer) => (b[key] ?? -1) - (a[key] ?? -1);
  return [...all].sort((a, b) => by(order)(a, b) || by("memory")(a, b)).slice(0, TOP);
}

/** A mounted filesystem; what is not known is undefined. */
export interface Filesystem {
  mountpoint: string;
  device: string;
  type: string;
  used: number | undefined;
  free: number | undefined;
  /** Share of the inodes that are used. */
  inodes: number | undefined;
  stuck: boolean;
  readOnly: boolean;
}

/** Returns the filesystems of a host. */
export function useFilesystems(of: readonly Matcher[]) {
  return useQuery({
    queryKey: ["filesystems", of],
    queryFn: ({ signal }) => queryAll(filesystemQueries(of), signal).then(filesystemsOf),
    refetchInterval: 30 * SECOND,
  });
}

/** Joins the answers of the queries of filesystems, the fullest first. */
export function filesystemsOf(
  answers: Record<keyof ReturnType<typeof filesystemQueries>, SeriesData[]>,
): Filesystem[] {
  const rows = join(answers, ["system_filesystem_mountpoint", "system_device", "system_filesystem_type"]);
  const list = [...rows.values()].map(({ labels, values }): Filesystem => {
    const inodes = (values.inodesUsed ?? 0) + (values.inodesFree ?? 0);
    return {
      mountpoint: labels.system_filesystem_mountpoint ?? "",
      device: labels.system_device ?? "",
      type: labels.system_filesystem_type ?? "",
      used: values.used,
      free: values.free,
      inodes: inodes > 0 ? (values.inodesUsed ?? 0) / inodes : undefined,
      stuck: values.stuck === 1,
      readOnly: values.readOnly === 1,
    };
  });
  return list.sort(
    (a, b) => (shareUsed(b) ?? 2) - (shareUsed(a) ?? 2) || a.mountpoint.localeCompare(b.mountpoint),
  );
}

/** Returns the share of the space, without what is reserved, that is used. */
export function shareUsed({ used, free }: Filesystem): number | undefined {
  if (used === undefined || free === undefined || used + free <= 0) return undefined;
  return used / (used + free);
}

/** Facts about a host; what is not known is undefined. */
export interface Facts {
  uptime: number | undefined;
  cpus: number | undefined;
  memory: number | undefined;
  info: Labels;
}

/** Returns the facts about a host. */
export function useFacts(of: readonly Matcher[]) {
  return useQuery({
    queryKey: ["facts", of],
    queryFn: async ({ signal }): Promise<Facts> => {
      const answers = await queryAll(factQueries(of), signal);
      const one = (series: SeriesData[]) => series[0]?.v.at(-1);
      return {
        uptime: one(answers.uptime),
        cpus: one(answers.cpus),
        memory: one(answers.memory),
        info: answers.info[0]?.labels ?? {},
      };
    },
    refetchInterval: MINUTE,
  });
}

async function queryAll<K extends string>(
  queries: Record<K, string>,
  signal: AbortSignal,
): Promise<Record<K, SeriesData[]>> {
  const keys = Object.keys(queries) as K[];
  const answers = await Promise.all(keys.map((key) => api.query(queries[key], signal)));
  return Object.fromEntries(keys.map((key, i) => [key, answers[i] ?? []])) as Record<K, SeriesData[]>;
}

interface Joined<K extends string> {
  labels: Labels;
  values: Partial<Record<K, number>>;
}

function join<K extends string>(answers: Record<K, SeriesData[]>, by: readonly string[]) {
  const rows = new Map<string, Joined<K>>();
  for (const key of Object.keys(answers) as K[]) {
    for (const series of answers[key]) {
      const id = groupKey(series.labels, by);
      const row: Joined<K> = rows.get(id) ?? { labels: series.labels, values: {} };
      const last = series.v.at(-1);
      if (last !== undefined) row.values[key] = last;
      rows.set(id, row);
    }
  }
  return rows;
}
