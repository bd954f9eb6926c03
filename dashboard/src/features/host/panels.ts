// The charts of a host: everything that is asked in PromQL about one host stands
// here and in tables.ts.

import type { ChartLook } from "../../components/charts/option";
import type { Labels } from "../../lib/labels";
import type { Measure } from "../../lib/measure";
import { differs, equals, oneOf, type Matcher } from "../../lib/promql";
import { MINUTE, SECOND } from "../../lib/time-range";

/** A chart of the page. */
export interface PanelSpec {
  id: string;
  title: string;
  /** What the values are, where the title does not say it. */
  note?: string;
  measures: readonly Measure[];
  look: ChartLook;
  legendRows: number;
}

const OFTEN = 10 * SECOND;

/** Names a line by one label. */
const by = (label: string) => (labels: Labels) => labels[label] ?? "";
/** Names a line by one label and what is said of it. */
const both = (label: string, what: string) => (labels: Labels) => `${labels[label] ?? ""} ${what}`;
/** Names a line that stands alone. */
const named = (name: string) => () => name;

const gauge = (metric: string, name: string, interval = OFTEN, where: readonly Matcher[] = []): Measure => ({
  metric,
  where,
  kind: "gauge",
  aggregate: "max",
  by: [],
  interval,
  name: named(name),
});

const counter = (
  metric: string,
  where: readonly Matcher[],
  label: string,
  what: string,
  negative = false,
): Measure => ({
  metric,
  where,
  kind: "counter",
  aggregate: "sum",
  by: [label],
  interval: OFTEN,
  negative,
  name: both(label, what),
});

const read = equals("disk_io_direction", "read");
const write = equals("disk_io_direction", "write");
const receive = equals("network_io_direction", "receive");
const transmit = equals("network_io_direction", "transmit");
const notLoopback = differs("network_interface_name", "lo");

export const PANELS: readonly PanelSpec[] = [
  {
    id: "cpu",
    title: "CPU",
    note: "share of all CPUs, by mode",
    measures: [
      {
        metric: "system_cpu_time_seconds_total",
        where: [differs("cpu_mode", "idle")],
        kind: "counter",
        aggregate: "avg",
        by: ["cpu_mode"],
        interval: OFTEN,
        order: ["user", "system", "nice", "iowait", "softirq", "interrupt", "steal"],
        name: by("cpu_mode"),
      },
    ],
    look: { unit: "ratio", stacked: true, atLeast: 0.1, atMost: 1 },
    legendRows: 3,
  },
  {
    id: "memory",
    title: "Memory",
    note: "by state; buffers and cached can be given back",
    measures: ["used", "buffers", "cached", "free"].map((state) => ({
      ...gauge("system_memory_usage_bytes", state, OFTEN, [equals("system_memory_state", state)]),
    })),
    look: { unit: "bytes", stacked: true, faint: ["free"] },
    legendRows: 2,
  },
  {
    id: "load",
    title: "Load",
    note: "threads that run or wait, average over",
    measures: [
      gauge("esmon_load_1m", "1 min"),
      gauge("esmon_load_5m", "5 min"),
      gauge("esmon_load_15m", "15 min"),
      gauge("system_cpu_logical_count", "CPUs", MINUTE),
    ],
    look: { unit: "number", atLeast: 1 },
    legendRows: 2,
  },
  {
    id: "pressure",
    title: "Pressure",
    note: "share of the time in which some threads waited",
    measures: [
      {
        metric: "esmon_pressure_stalled_seconds_total",
        where: [equals("pressure_stall_type", "some")],
        kind: "counter",
        aggregate: "max",
        by: ["pressure_resource"],
        interval: OFTEN,
        name: by("pressure_resource"),
      },
    ],
    look: { unit: "ratio", atLeast: 0.02 },
    legendRows: 2,
  },
  {
    id: "disk",
    title: "Disk throughput",
    note: "read above, written below",
    measures: [
      counter("system_disk_io_bytes_total", [read], "system_device", "read"),
      counter("system_disk_io_bytes_total", [write], "system_device", "write", true),
    ],
    look: { unit: "bytes/s", atLeast: 1024 },
    legendRows: 2,
  },
  {
    id: "disk-busy",
    title: "Disk time busy",
    note: "share of the time with an operation under way",
    measures: [
      {
        metric: "system_disk_io_time_seconds_total",
        kind: "counter",
        aggregate: "max",
        by: ["system_device"],
        interval: OFTEN,
        name: by("system_device"),
      },
    ],
    look: { unit: "ratio", atLeast: 0.1, atMost: 1 },
    legendRows: 2,
  },
  {
    id: "network",
    title: "Network throughput",
    note: "received above, sent below",
    measures: [
      counter("system_network_io_bytes_total", [receive, notLoopback], "network_interface_name", "in"),
      counter(
        "system_network_io_bytes_total",
        [transmit, notLoopback],
        "network_interface_name",
        "out",
        true,
      ),
    ],
    look: { unit: "bytes/s", atLeast: 1024 },
    legendRows: 2,
  },
  {
    id: "network-trouble",
    title: "Network errors and drops",
    measures: [
      counter("system_network_errors_total", [notLoopback], "network_interface_name", "errors"),
      counter("system_network_packet_dropped_total", [notLoopback], "network_interface_name", "dropped"),
    ],
    look: { unit: "/s", atLeast: 1 },
    legendRows: 2,
  },
  {
    id: "filesystem",
    title: "Filesystem use",
    note: "share of the space that is not reserved",
    measures: [
      {
        metric: "system_filesystem_usage_bytes",
        where: [equals("system_filesystem_state", "used")],
        shareOf: {
          metric: "system_filesystem_usage_bytes",
          where: [oneOf("system_filesystem_state", ["used", "free"])],
        },
        kind: "gauge",
        aggregate: "sum",
        by: ["system_filesystem_mountpoint", "system_device"],
        interval: MINUTE,
        name: by("system_filesystem_mountpoint"),
      },
    ],
    look: { unit: "ratio", atLeast: 1, atMost: 1 },
    legendRows: 2,
  },
  {
    id: "paging",
    title: "Swapping",
    note: "operations; in above, out below",
    measures: [
      {
        ...counter("system_paging_operations_total", [equals("system_paging_direction", "in")], "", "in"),
        by: [],
        name: named("in"),
      },
      {
        ...counter(
          "system_paging_operations_total",
          [equals("system_paging_direction", "out")],
          "",
          "out",
          true,
        ),
        by: [],
        name: named("out"),
      },
    ],
    look: { unit: "ops/s", atLeast: 1 },
    legendRows: 2,
  },
  {
    id: "processes",
    title: "Processes",
    note: "by state",
    measures: [
      {
        metric: "system_process_count",
        kind: "gauge",
        aggregate: "sum",
        by: ["process_state"],
        interval: 30 * SECOND,
        order: ["running", "blocked", "sleeping", "idle", "stopped", "defunct"],
        name: by("process_state"),
      },
    ],
    look: { unit: "count", stacked: true },
    legendRows: 2,
  },
  {
    id: "connections",
    title: "Network connections",
    note: "by protocol and state",
    measures: [
      {
        metric: "system_network_connection_count",
        kind: "gauge",
        aggregate: "sum",
        by: ["network_transport", "network_connection_state"],
        interval: 30 * SECOND,
        name: (l) =>
          [l.network_transport, l.network_connection_state?.replaceAll("_", " ")].filter(Boolean).join(" "),
      },
    ],
    look: { unit: "count" },
    legendRows: 2,
  },
];
