// What part of the list is shown, and in which order; it lives in the URL.

import { parsePage, writePage, type PageView } from "../../lib/pages";
import { timestamp } from "../../lib/proto-json";
import type { HostRow } from "./useHostList";

/** Columns that the rows can be sorted by. */
export const SORT_KEYS = [
  "name",
  "state",
  "os",
  "cpu",
  "memory",
  "disk",
  "load",
  "uptime",
  "seen",
  "version",
] as const;
export type SortKey = (typeof SORT_KEYS)[number];

export interface ListView extends PageView {
  /** Part of the host's name. */
  q: string;
  sort: SortKey;
  descending: boolean;
}

/** Reads the view from the URL; what makes no sense gives the default. */
export function parseView(params: URLSearchParams): ListView {
  const sort = SORT_KEYS.find((key) => key === params.get("sort")) ?? "name";
  return {
    q: params.get("q") ?? "",
    ...parsePage(params),
    sort,
    descending: params.get("dir") === "desc",
  };
}

/** Writes the view into URL parameters, defaults left out. */
export function writeView(view: ListView): URLSearchParams {
  const out = new URLSearchParams();
  if (view.q) out.set("q", view.q);
  if (view.sort !== "name" || view.descending) out.set("sort", view.sort);
  if (view.descending) out.set("dir", "desc");
  writePage(out, view);
  return out;
}

/** Returns the view after a click on a column: it, or the other way round. */
export function sortBy(view: ListView, sort: SortKey): ListView {
  if (sort === view.sort) return { ...view, descending: !view.descending };
  // Of numbers, the large ones are looked for.
  return { ...view, sort, descending: ["cpu", "memory", "disk", "load"].includes(sort) };
}

const STATES = [
  "AGENT_STATE_CLONED",
  "AGENT_STATE_DISCONNECTED",
  "AGENT_STATE_ENROLLED",
  "AGENT_STATE_UNSPECIFIED",
  "AGENT_STATE_CONNECTED",
  "AGENT_STATE_REVOKED",
];

/** Sorts the rows; those without a value come last, whichever way round. */
export function sortRows(rows: readonly HostRow[], view: ListView): HostRow[] {
  const sign = view.descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    const x = sortValue(a, view.sort);
    const y = sortValue(b, view.sort);
    if (x === undefined || y === undefined) return Number(x === undefined) - Number(y === undefined);
    const order = typeof x === "string" && typeof y === "string" ? x.localeCompare(y) : Number(x) - Number(y);
    return order === 0 ? nameOf(a).localeCompare(nameOf(b)) : sign * order;
  });
}

function sortValue(row: HostRow, key: SortKey): string | number | undefined {
  switch (key) {
    case "name":
      return nameOf(row);
    case "state":
      return STATES.indexOf(row.agent.state ?? "AGENT_STATE_UNSPECIFIED");
    case "os":
      return row.agent.osDescription ?? row.agent.osType ?? "";
    case "version":
      return row.agent.agentVersion ?? "";
    case "seen":
      return timestamp(row.agent.lastAckTime);
    default:
      return row.values[key];
  }
}

function nameOf(row: HostRow): string {
  return row.agent.hostName ?? "";
}
