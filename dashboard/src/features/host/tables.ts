// The PromQL of a host's tables and facts; their values are asked for now and then.

import { duration, equals, select, type Matcher } from "../../lib/promql";
import { MINUTE } from "../../lib/time-range";

/** Rows of the list of consumers. */
export const TOP = 10;

const GROUP = "by (process_executable_name, process_owner)";
const WINDOW = duration(2 * MINUTE);

/** Queries of the processes that use most, grouped by program and owner. */
export function consumerQueries(of: readonly Matcher[]) {
  const cpu = `sum ${GROUP} (rate(${select("process_cpu_time_seconds_total", of)}[${WINDOW}]))`;
  const memory = `sum ${GROUP} (${select("process_memory_usage_bytes", of)})`;
  return {
    cpu,
    memory,
    threads: `sum ${GROUP} (${select("process_thread_count", of)})`,
    count: `sum ${GROUP} (${select("esmon_process_count", of)})`,
  };
}

/** Queries of the space of each filesystem. */
export function filesystemQueries(of: readonly Matcher[]) {
  const space = (state: string) =>
    select("system_filesystem_usage_bytes", [...of, equals("system_filesystem_state", state)]);
  const inodes = (state: string) =>
    select("esmon_filesystem_inodes", [...of, equals("system_filesystem_state", state)]);
  return {
    used: space("used"),
    free: space("free"),
    inodesUsed: inodes("used"),
    inodesFree: inodes("free"),
    stuck: select("esmon_filesystem_stuck", of),
    readOnly: select("esmon_filesystem_read_only", of),
  };
}

/** Queries of what is said about the host at the top of its page. */
export function factQueries(of: readonly Matcher[]) {
  return {
    uptime: `max(${select("system_uptime_seconds", of)})`,
    cpus: `max(${select("system_cpu_logical_count", of)})`,
    memory: `max(${select("system_memory_limit_bytes", of)})`,
    info: select("esmon_host_info", of),
  };
}
