// Made-up hosts: which series each has, and what their values are at a moment.
// Values are functions of time, so that a query of the past, a query of now and
// what comes live agree.

import type { Labels } from "../../src/lib/labels";

/** A metric and the label sets that a host has of it. */
interface Metric {
  counter: boolean;
  /** Typical value; of a counter, typical increase a second. */
  size: number;
  labels: Labels[];
}

const GB = 1024 ** 3;
const each = (label: string, values: string[], base: Labels = {}) =>
  values.map((v) => ({ ...base, [label]: v }));
const filesystems = [
  { system_device: "/dev/nvme0n1p2", system_filesystem_mountpoint: "/", system_filesystem_type: "ext4" },
  {
    system_device: "/dev/nvme0n1p3",
    system_filesystem_mountpoint: "/var/lib/postgresql",
    system_filesystem_type: "xfs",
  },
];
const processes = [
  "postgres",
  "java",
  "nginx",
  "python3",
  "node",
  "sshd",
  "esmon-agent",
  "systemd",
  "cron",
  "rsyslogd",
  "dbus-daemon",
].map((p, i) => ({ process_executable_name: p, process_owner: i % 3 ? "root" : "app" }));
const states = (values: string[]) => filesystems.flatMap((f) => each("system_filesystem_state", values, f));

const METRICS: Record<string, Metric> = {
  system_cpu_time_seconds_total: {
    counter: true,
    size: 0.1,
    labels: ["0", "1"].flatMap((n) =>
      each("cpu_mode", ["user", "system", "nice", "iowait", "softirq", "interrupt", "steal", "idle"], {
        cpu_logical_number: n,
      }),
    ),
  },
  system_memory_usage_bytes: {
    counter: false,
    size: 4 * GB,
    labels: each("system_memory_state", ["used", "free", "buffers", "cached"]),
  },
  system_memory_limit_bytes: { counter: false, size: 16 * GB, labels: [{}] },
  esmon_load_1m: { counter: false, size: 1.4, labels: [{}] },
  esmon_load_5m: { counter: false, size: 1.2, labels: [{}] },
  esmon_load_15m: { counter: false, size: 1.1, labels: [{}] },
  system_cpu_logical_count: { counter: false, size: 2, labels: [{}] },
  system_uptime_seconds: { counter: false, size: 400_000, labels: [{}] },
  esmon_pressure_stalled_seconds_total: {
    counter: true,
    size: 0.03,
    labels: each("pressure_resource", ["cpu", "memory", "io"], { pressure_stall_type: "some" }),
  },
  system_disk_io_bytes_total: {
    counter: true,
    size: 4_000_000,
    labels: ["nvme0n1", "sda"].flatMap((d) =>
      each("disk_io_direction", ["read", "write"], { system_device: d }),
    ),
  },
  system_disk_io_time_seconds_total: {
    counter: true,
    size: 0.2,
    labels: each("system_device", ["nvme0n1", "sda"]),
  },
  system_network_io_bytes_total: {
    counter: true,
    size: 900_000,
    labels: ["eth0", "lo"].flatMap((d) =>
      each("network_io_direction", ["receive", "transmit"], { network_interface_name: d }),
    ),
  },
  system_network_errors_total: { counter: true, size: 0, labels: each("network_interface_name", ["eth0"]) },
  system_network_packet_dropped_total: {
    counter: true,
    size: 0.4,
    labels: each("network_interface_name", ["eth0"]),
  },
  system_filesystem_usage_bytes: {
    counter: false,
    size: 40 * GB,
    labels: states(["used", "free", "reserved"]),
  },
  esmon_filesystem_inodes: { counter: false, size: 900_000, labels: states(["used", "free"]) },
  esmon_filesystem_stuck: { counter: false, size: 0, labels: filesystems },
  esmon_filesystem_read_only: { counter: false, size: 0, labels: filesystems },
  system_paging_operations_total: {
    counter: true,
    size: 3,
    labels: each("system_paging_direction", ["in", "out"]),
  },
  system_process_count: {
    counter: false,
    size: 40,
    labels: each("process_state", ["running", "sleeping", "idle"]),
  },
  system_network_connection_count: {
    counter: false,
    size: 30,
    labels: each("network_connection_state", ["established", "listen", "time_wait"], {
      network_transport: "tcp",
    }),
  },
  process_cpu_time_seconds_total: { counter: true, size: 0.08, labels: processes },
  process_memory_usage_bytes: { counter: false, size: GB / 4, labels: processes },
  process_thread_count: { counter: false, size: 12, labels: processes },
  esmon_process_count: { counter: false, size: 3, labels: processes },
  esmon_host_info: {
    counter: false,
    size: 0,
    labels: [
      {
        cpu_model: "AMD EPYC 7443P",
        kernel_release: "6.1.0-28-amd64",
        system_vendor: "Dell Inc.",
        system_model: "PowerEdge R6515",
      },
    ],
  },
};

/** A series of a host. */
export interface MadeSeries {
  labels: Labels;
  counter: boolean;
  /** The value at a moment: of a counter, its total. */
  value: (ms: number) => number;
}

/** Returns the series of a metric on a host. */
export function seriesOfHost(name: string, host: Labels): MadeSeries[] {
  const metric = METRICS[name];
  if (!metric) return [];
  return metric.labels.map((labels) => make({ __name__: name, ...host, ...labels }, metric));
}

function make(labels: Labels, { counter, size }: Metric): MadeSeries {
  const seed = hash(JSON.stringify(labels));
  const weight = labels.cpu_mode === "idle" ? 8 : labels.cpu_mode === "user" ? 2 : labels.cpu_mode ? 0.25 : 1;
  const base =
    size * weight * (labels.cpu_mode === "idle" ? 0.6 : 0.35) + (size * weight * 0.6 * (seed % 1000)) / 1000;
  const period = 240_000 + (seed % 7) * 190_000;
  const swing = 0.35 * base;
  const phase = (2 * Math.PI * (seed % 97)) / 97;
  const angle = (ms: number) => (2 * Math.PI * ms) / period + phase;
  const wave = (ms: number) => base + swing * Math.sin(angle(ms));
  // The integral of the wave: its increase a second is the wave.
  const total = (ms: number) =>
    (base * ms) / 1000 - ((swing * period) / (2 * Math.PI * 1000)) * (Math.cos(angle(ms)) - Math.cos(phase));
  return { labels, counter, value: counter ? total : wave };
}

function hash(text: string): number {
  let h = 2166136261;
  for (const c of text) h = Math.imul(h ^ c.charCodeAt(0), 16777619) >>> 0;
  return h;
}
