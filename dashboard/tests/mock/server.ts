// A made-up esmon server: the built page, the contract's paths, and hosts that are
// functions of time. It lets the page be tested with more hosts than one machine
// can run, and in states that are hard to bring about.

import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { WebSocketServer, type WebSocket } from "ws";
import { answerAlerting, newAlerting } from "./alerting/route";
import type { AlertingState } from "./alerting/state";
import { evaluate, match, type Hosts } from "./evaluate";

/** What can be changed while it runs. */
export interface MockState {
  agents: number;
  /** Answers every call of the API with an error, as a broken database would. */
  failing: boolean;
  /** Milliseconds before each answer. */
  delay: number;
  ready: boolean;
  /** Has hosts but no samples of them. */
  silent: boolean;
  /** How often new samples arrive, milliseconds. */
  interval: number;
  /** How many alerts there are. */
  alerts: number;
}

export interface Mock {
  url: string;
  state: MockState;
  /** What people did to its alerts. */
  alerting: AlertingState;
  close: () => Promise<void>;
}

const DIST = join(import.meta.dirname, "..", "..", "dist");
const TYPES: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};

const POLICY =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/** Starts one on a free port. */
export async function startMock(changes: Partial<MockState> = {}, port = 0): Promise<Mock> {
  const state: MockState = {
    agents: 3,
    failing: false,
    delay: 0,
    ready: true,
    silent: false,
    interval: 1000,
    alerts: 0,
    ...changes,
  };
  const alerting = newAlerting(state.alerts, state.agents, hostName);
  const server = createServer((req, res) => void handle(state, alerting, req, res));
  const sockets = new WebSocketServer({ server, path: "/api/v1/live" });
  sockets.on("connection", (socket) => serveLive(state, socket));
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    state,
    alerting,
    close: () => close(server, sockets),
  };
}

async function close(server: Server, sockets: WebSocketServer) {
  for (const socket of sockets.clients) socket.terminate();
  sockets.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

async function handle(state: MockState, alerting: AlertingState, req: IncomingMessage, res: ServerResponse) {
  const url = new URL(req.url ?? "/", "http://mock");
  if (!url.pathname.startsWith("/api/")) return serveFile(url.pathname, res);
  if (state.delay > 0) await new Promise((resolve) => setTimeout(resolve, state.delay));
  if (state.failing) {
    answer(res, 500, { code: 13, message: "internal error" });
    return;
  }
  const text = await read(req);
  const body = text === "" ? {} : (JSON.parse(text) as Record<string, string>);
  const found = route(state, url, body) ?? answerAlerting(alerting, req.method ?? "GET", url, body);
  answer(res, found ? 200 : 404, found ?? { code: 5, message: "there is nothing with this id" });
}

function route(state: MockState, url: URL, body: Record<string, string>): unknown {
  const now = Date.now();
  switch (url.pathname) {
    case "/api/v1/agents":
      return listAgents(state, url.searchParams);
    case "/api/v1/status":
      return status(state, now);
    case "/api/v1/query":
      return { resultType: "vector", series: evaluate(body.query ?? "", [now], hosts(state)) };
    case "/api/v1/query_range": {
      const [from, to, step] = [
        Date.parse(body.start ?? ""),
        Date.parse(body.end ?? ""),
        Number(body.stepMs),
      ];
      const times = Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step);
      return { series: evaluate(body.query ?? "", times, hosts(state)) };
    }
  }
  const id = /^\/api\/v1\/agents\/agent-(\d+)$/.exec(url.pathname)?.[1];
  return id !== undefined && Number(id) < state.agents ? { agent: agent(Number(id)) } : undefined;
}

function listAgents(state: MockState, query: URLSearchParams) {
  const text = query.get("hostNameContains") ?? "";
  const size = Number(query.get("pageSize") ?? 100);
  const start = Number(query.get("pageToken") ?? 0);
  const all = Array.from({ length: state.agents }, (_, i) => i).filter((i) => hostName(i).includes(text));
  return {
    agents: all.slice(start, start + size).map(agent),
    nextPageToken: start + size < all.length ? String(start + size) : "",
    totalSize: String(all.length),
  };
}

const hostName = (i: number) =>
  `${["web", "db", "app", "cache"][i % 4] ?? ""}-${String(i).padStart(5, "0")}.example`;

function hosts(state: MockState): Hosts {
  return Array.from({ length: state.silent ? 0 : state.agents }, (_, i) => ({
    host_name: hostName(i),
    host_id: `id-${i}`,
    os_type: "linux",
  }));
}

function agent(i: number) {
  const away = i % 11 === 5;
  return {
    id: `agent-${i}`,
    hostName: hostName(i),
    hostId: `id-${i}`,
    osType: "linux",
    osDescription: i % 3 ? "Debian GNU/Linux 12 (bookworm)" : "Red Hat Enterprise Linux 9.4",
    arch: "amd64",
    agentVersion: "0.1.0",
    state: away ? "AGENT_STATE_DISCONNECTED" : "AGENT_STATE_CONNECTED",
    lastAckTime: new Date(Date.now() - (away ? 7_200_000 : 4000)).toISOString(),
    clockSkewMs: "3",
    tags: { environment: "production" },
  };
}

const started = Date.now() - 3_600_000;

function status(state: MockState, now: number) {
  return {
    version: "0.1.0",
    startTime: new Date(started).toISOString(),
    ready: state.ready,
    reasons: state.ready ? [] : ["storage: the database is locked"],
    agents: String(state.agents),
    agentsConnected: String(Math.floor(state.agents * 0.91)),
    partitions: [
      {
        partition: 0,
        firstOffset: "1",
        nextOffset: "81234",
        headOffset: "81234",
        committedOffset: "81190",
        bytes: "734003200",
        lagMs: "12",
      },
    ],
    activeSeries: String(state.agents * 412),
    samplesIngested: String(Math.floor((now - started) * state.agents * 0.04)),
    framesRefused: "0",
    dataBytes: "2147483648",
  };
}

function serveLive(state: MockState, socket: WebSocket) {
  const watches = new Map<number, { match: string[]; told: boolean }>();
  socket.on("message", (data: Buffer) => {
    const request = JSON.parse(data.toString()) as { id: number; match: string[] };
    if (request.match.length > 0) watches.set(request.id, { match: request.match, told: false });
    else watches.delete(request.id);
  });
  const timer = setInterval(() => {
    const t = Date.now();
    for (const [id, watch] of watches) {
      const series = watch.match.flatMap((selector) => match(selector, hosts(state)));
      const samples = series.map((s, ref) => ({ ref, timestampMs: String(t), value: s.value(t) }));
      socket.send(
        JSON.stringify({
          id,
          ...(!watch.told && { series: series.map((s, ref) => ({ ref, labels: s.labels })) }),
          samples,
        }),
      );
      watch.told = true;
    }
  }, state.interval);
  socket.on("close", () => clearInterval(timer));
}

async function serveFile(path: string, res: ServerResponse) {
  const file = path.startsWith("/assets/") || /^\/[^/]+\.[a-z0-9]+$/.test(path);
  const name = file ? path : "/index.html";
  try {
    const content = await readFile(join(DIST, name));
    // As strict as the server: what it would block must not work here.
    res
      .writeHead(200, {
        "Content-Security-Policy": POLICY,
        "Content-Type": TYPES[extname(name)] ?? "application/octet-stream",
      })
      .end(content);
  } catch {
    res.writeHead(404).end();
  }
}

async function read(req: IncomingMessage): Promise<string> {
  let text = "";
  for await (const part of req) text += String(part);
  return text;
}

function answer(res: ServerResponse, status: number, body: unknown) {
  res.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
}
