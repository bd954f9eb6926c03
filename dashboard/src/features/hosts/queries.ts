// The PromQL of the hosts list. All of it is restricted to the hosts on the page.

import { differs, duration, equals, oneOf, select } from "../../lib/promql";
import type { Matcher } from "../../lib/promql";

/** What identifies a host in the answers. */
const BY = "by (host_name, host_id)";
const WINDOW = duration(60_000);

/** Values shown for each host. */
export type HostValue = "cpu" | "memory" | "disk" | "load" | "uptime";

/** Filesystems that hold no data of their own, or cannot be written. */
const realFilesystems: Matcher = {
  label: "system_filesystem_type",
  op: "!~",
  value: "tmpfs|devtmpfs|ramfs|efivarfs|squashfs|iso9660|udf",
};

/** Writes the query of each value for the hosts with the given names. */
export function hostQueries(hostNames: readonly string[]): Record<HostValue, string> {
  const of = [oneOf("host_name", hostNames)];
  const idle = select("system_cpu_time_seconds_total", [...of, oneOf("cpu_mode", ["idle", "iowait"])]);
  const memory = (...where: Matcher[]) =>
    `sum ${BY} (${select("system_memory_usage_bytes", [...of, ...where])})`;
  const space = (...where: Matcher[]) =>
    `sum by (host_name, host_id, system_device) (max by (host_name, host_id, system_device, system_filesystem_state) (` +
    `${select("system_filesystem_usage_bytes", [...of, realFilesystems, ...where])}))`;
  return {
    cpu: `clamp_min(1 - avg ${BY} (sum without (cpu_mode) (rate(${idle}[${WINDOW}]))), 0)`,
    memory: `${memory(equals("system_memory_state", "used"))} / ${memory()}`,
    // The fullest filesystem is the one that will give trouble.
    disk: `max ${BY} (${space(equals("system_filesystem_state", "used"))} / ${space(differs("system_filesystem_state", "reserved"))})`,
    load: `max ${BY} (${select("esmon_load_1m", of)})`,
    uptime: `max ${BY} (${select("system_uptime_seconds", of)})`,
  };
}

/** Writes the query of the CPU's use over the last half hour. */
export function trendQuery(hostNames: readonly string[]): string {
  return hostQueries(hostNames).cpu;
}
