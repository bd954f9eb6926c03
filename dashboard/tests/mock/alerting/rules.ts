// Made-up rules, and what checks and backtests of others say.

import type { Episode, Rule } from "../../../src/api/schema";

interface MadeRule extends Rule {
  value: number;
  threshold: string;
}

function rule(
  name: string,
  group: string,
  more: Partial<MadeRule> & { query?: string; limit?: number },
): MadeRule {
  const { query = "", limit, unit = "", ...rest } = more as typeof more & { unit?: string };
  const file = rest.file ?? "catalogue/host.yaml";
  const expr = limit === undefined ? query : `${query} > ${limit}`;
  return {
    id: `${file}/${group}/${name}`,
    file,
    group,
    name,
    expr,
    for: "300s",
    severity: "warning",
    labels: { severity: rest.severity ?? "warning" },
    annotations: { summary: `${name} on $host` },
    owner: "platform",
    runbook: `https://runbooks.example/${name}`,
    noData: "resolve",
    interval: "15s",
    health: "ok",
    evaluationDuration: "0.0042s",
    pending: "1",
    firing: "3",
    held: "0",
    coverage: 1,
    line: 14,
    text: `- alert: ${name}\n  expr: |\n    ${expr}\n  for: 5m\n  labels:\n    severity: ${rest.severity ?? "warning"}\n  annotations:\n    summary: "${name} on {{ $labels.host_name }}"`,
    graph: { query, unit, thresholds: limit === undefined ? [] : [{ op: ">", value: limit }] },
    value: limit ?? 1,
    threshold: limit === undefined ? "" : `> ${limit}`,
    ...rest,
  };
}

export const RULES: readonly [MadeRule, ...MadeRule[]] = [
  rule("HostDown", "hosts", {
    severity: "critical",
    query: "max by (host_name) (system_uptime_seconds{})",
    for: "60s",
  }),
  rule("LoadHigh", "hosts", {
    query: "max by (host_name) (esmon_load_1m{})",
    limit: 0.9,
    annotations: { summary: "The load of $host is high" },
  }),
  rule("MemoryAlmostFull", "hosts", {
    severity: "critical",
    query: 'max by (host_name) (system_memory_usage_bytes{system_memory_state="used"})',
    limit: 2_600_000_000,
    annotations: { summary: "The memory of $host is nearly full" },
    ...{ unit: "By" },
  }),
  rule("FilesystemAlmostFull", "disks", {
    query:
      'max by (host_name, system_filesystem_mountpoint) (system_filesystem_usage_bytes{system_filesystem_state="used"})',
    limit: 30_000_000_000,
    held: "2",
    coverage: 0.96,
    annotations: { summary: "A filesystem of $host will be full within a day" },
    ...{ unit: "By" },
  }),
  rule("DiskSlow", "disks", {
    severity: "info",
    query: "max by (host_name) (rate(system_disk_io_time_seconds_total{}[5m]))",
    limit: 0.2,
    health: "failing",
    lastError:
      "vector cannot contain metrics with the same labelset: aggregate system_device away, such as with max by (host_name)",
    ...{ unit: "1" },
  }),
  rule("CertificateExpires", "certificates", {
    file: "rules/own.yaml",
    severity: "info",
    query: "min by (host_name) (esmon_load_15m{})",
    limit: 0.5,
    firing: "0",
  }),
  rule("host:cpu:ratio", "recorded", {
    file: "rules/own.yaml",
    recording: true,
    severity: "",
    query: "avg by (host_name) (esmon_load_5m{})",
    firing: "0",
    pending: "0",
  }),
];

/** Returns the rule of the id. */
export function ruleOf(id: string): MadeRule | undefined {
  return RULES.find((r) => r.id === id);
}

/** Lists the rules as they are at a moment. */
export function listRules(now: number) {
  const evaluationTime = new Date(Math.floor(now / 15_000) * 15_000).toISOString();
  return {
    rules: RULES.map((r) => ({ ...r, evaluationTime })),
    problems: [
      {
        file: "rules/web.yaml",
        line: 12,
        column: 11,
        field: "groups[0].rules[1].for",
        message: "“5 minutes” is no duration: write 5m",
      },
    ],
    loadTime: new Date(now - 3_600_000).toISOString(),
  };
}

/** Checks a file in the roughest way: expressions must have equal parentheses. */
export function checkRules(content: string) {
  const lines = content.split("\n");
  const open = content.split("(").length - content.split(")").length;
  const line = lines.findIndex((l) => /^\s*(- )?expr:/.test(l)) + 1;
  const name = /(?:alert|record):\s*(\S+)/.exec(content)?.[1] ?? "try";
  const body = /expr:\s*\|?\s*([\s\S]*?)(?=\n\s*[a-z_]+:)/.exec(`${content}\nend:`)?.[1]?.trim() ?? "";
  const [query = "", limit] = body.split(/\s*>\s*/);
  if (open !== 0) {
    const message = "there is an unequal number of parentheses: unclosed left parenthesis";
    return {
      problems: [{ file: "try.yaml", line, column: 9, field: "groups[0].rules[0].expr", message }],
      rules: [],
    };
  }
  const thresholds = limit === undefined ? [] : [{ op: ">", value: Number(limit) }];
  return { problems: [], rules: [{ name, expr: body, graph: { query, thresholds, unit: "" } }] };
}

/** Makes up what a rule would have done: less for a longer "for" or a higher limit. */
export function backtest(text: string, start: number, end: number, hosts: readonly string[]) {
  const patience = Number(/for:\s*(\d+)m/.exec(text)?.[1] ?? 0) * 60_000;
  const episodes: Episode[] = hosts.slice(0, 18).flatMap((host, h) =>
    Array.from({ length: 2 + (h % 4) }, (_, i) => {
      const from = start + ((h * 13 + i * 29) % 100) * ((end - start) / 110) + patience;
      const length = (5 + ((h * 7 + i * 3) % 40)) * 60_000 - patience;
      return { host, from, length };
    })
      .filter((e) => e.length > 0)
      .map(({ from, length }) => ({
        alertId: `${h}`,
        labels: { host_name: host },
        fireTime: new Date(from).toISOString(),
        resolveTime: new Date(Math.min(end, from + length)).toISOString(),
        fireValue: 0.95,
        lastValue: 0.93,
      })),
  );
  const byHost = new Map<string, { episodes: number; ms: number }>();
  for (const e of episodes) {
    const host = e.labels?.host_name ?? "";
    const sum = byHost.get(host) ?? { episodes: 0, ms: 0 };
    sum.episodes++;
    sum.ms += Date.parse(e.resolveTime ?? "") - Date.parse(e.fireTime ?? "");
    byHost.set(host, sum);
  }
  const total = [...byHost.values()].reduce((sum, h) => sum + h.ms, 0);
  return {
    episodes,
    totalEpisodes: String(episodes.length),
    firing: `${total / 1000}s`,
    hosts: [...byHost].map(([host, sum]) => ({
      host,
      episodes: String(sum.episodes),
      firing: `${sum.ms / 1000}s`,
    })),
    notifications: { "ops-teams": String(episodes.length), "duty-pager": "3" },
    evaluations: String(Math.floor((end - start) / 15_000)),
    warnings: [],
  };
}
