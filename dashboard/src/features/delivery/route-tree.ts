// The tree of routes as it is drawn, and the labels that are tried on it.

import type { Route } from "../../api/schema";

/** A route with what it inherits. */
export interface RouteNode {
  path: string;
  route: Route;
  /** Who is told: its own receiver, or that of the route above. */
  receiver: string;
  inherited: boolean;
  children: RouteNode[];
}

/** Returns the tree with receivers filled in; paths are the server's or, without, made. */
export function routeTree(route: Route, above = "", path = "0"): RouteNode {
  const receiver = route.receiver ?? above;
  const own = route.path ?? path;
  return {
    path: own,
    route,
    receiver,
    inherited: !route.receiver && !route.escalation,
    children: (route.routes ?? []).map((child, i) => routeTree(child, receiver, `${own}.${i}`)),
  };
}

/** Labels as they are written, one on each line, or what is wrong. */
export function parseLabels(text: string): { labels: Record<string, string> } | { error: string } {
  const labels: Record<string, string> = {};
  for (const line of text.split(/\n/)) {
    if (line.trim() === "") continue;
    const [, name, value] = /^\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*[=:]\s*(.*?)\s*,?\s*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) {
      return { error: `“${line.trim()}” is no label: write name=value, one on each line.` };
    }
    labels[name] = value.replace(/^(["'])(.*)\1$/, "$2");
  }
  return Object.keys(labels).length === 0 ? { error: "Write at least one label." } : { labels };
}
