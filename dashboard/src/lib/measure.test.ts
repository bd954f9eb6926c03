import { expect, it } from "vitest";
import { isOf, rangeQuery, selector, windowOf, type Measure } from "./measure";
import { differs, equals } from "./promql";

const cpu: Measure = {
  metric: "system_cpu_time_seconds_total",
  where: [differs("cpu_mode", "idle")],
  kind: "counter",
  aggregate: "avg",
  by: ["cpu_mode"],
  interval: 10_000,
  name: (l) => l.cpu_mode ?? "",
};
const space: Measure = {
  metric: "used",
  kind: "gauge",
  aggregate: "max",
  by: ["mount", "device"],
  interval: 60_000,
  shareOf: { metric: "size", where: [differs("type", "tmpfs")] },
  name: (l) => l.mount ?? "",
};
const of = [equals("host_name", "a")];

it("writes selectors", () => {
  expect(selector(cpu, of)).toBe('system_cpu_time_seconds_total{host_name="a",cpu_mode!="idle"}');
});

it("writes the rate of a counter", () => {
  expect(rangeQuery(cpu, of, 5000)).toBe(
    'avg by (cpu_mode) (rate(system_cpu_time_seconds_total{host_name="a",cpu_mode!="idle"}[40s]))',
  );
});

it("writes shares", () => {
  expect(rangeQuery(space, of, 15_000)).toBe(
    'max by (mount, device) (used{host_name="a"}) / sum by (mount, device) (size{host_name="a",type!="tmpfs"})',
  );
});

it("averages gauges between points that are far apart", () => {
  const threads: Measure = {
    metric: "threads",
    kind: "gauge",
    aggregate: "sum",
    by: [],
    interval: 30_000,
    name: () => "",
  };
  expect(rangeQuery(threads, of, 60_000)).toBe('sum(threads{host_name="a"})');
  expect(rangeQuery(threads, of, 120_000)).toBe('sum(avg_over_time(threads{host_name="a"}[2m]))');
  expect(windowOf(threads, 120_000)).toBe(120_000);
});

it("knows its series", () => {
  expect(isOf(cpu, { __name__: "system_cpu_time_seconds_total", cpu_mode: "user" })).toBe(true);
  expect(isOf(cpu, { __name__: "system_cpu_time_seconds_total", cpu_mode: "idle" })).toBe(false);
  expect(isOf(cpu, { __name__: "other", cpu_mode: "user" })).toBe(false);
});
