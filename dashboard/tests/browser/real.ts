// The built server and agent as they are run on a host: a server on free ports, and
// this machine enrolled with it.

import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** Where the built programs are; undefined if the environment does not say it. */
export interface Programs {
  server: string;
  agent: string;
}

/** Returns the programs that ESMON_BIN and ESMON_AGENT_BIN name. */
export function builtPrograms(): Programs | undefined {
  const { ESMON_BIN: server, ESMON_AGENT_BIN: agent } = process.env;
  return server && agent ? { server, agent } : undefined;
}

/** A server that runs, and how to end it and its agent. */
export interface Running {
  url: string;
  /** The name of a host of the server. */
  host: string;
  /** Writes a file of the alerting configuration; the server reads it by itself. */
  configure: (name: string, text: string) => Promise<void>;
  close: () => Promise<void>;
}

/** The server has so long to be ready: it makes its CA and opens its databases. */
const READY = 60_000;
/** And so long to end when it is asked to; longer is a fault. */
const DRAIN = 30_000;

/**
 * Starts a server and one agent, which is enrolled and measures this machine. The
 * alerting configuration is files by name.
 */
export async function startReal(programs: Programs, alerting: Record<string, string> = {}): Promise<Running> {
  const dir = await mkdtemp(join(tmpdir(), "esmon-browser-"));
  const [data, state, files] = [join(dir, "data"), join(dir, "agent"), join(dir, "alerting")];
  const configure = async (name: string, text: string) => {
    await mkdir(dirname(join(files, name)), { recursive: true });
    await writeFile(join(files, name), text, { mode: 0o600 });
  };
  const started: Program[] = [];
  const close = async () => {
    // The agent first: it sends what it has.
    const faults = [];
    for (const program of [...started].reverse()) faults.push(await program.end());
    await rm(dir, { recursive: true, force: true });
    const fault = faults.find((f) => f !== undefined);
    if (fault !== undefined) throw new Error(fault);
  };
  try {
    await mkdir(files, { mode: 0o700 });
    for (const [name, text] of Object.entries(alerting)) await configure(name, text);
    const listen = ["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"];
    const server = new Program(programs.server, ["serve", "--data-dir", data, ...listen], {
      ESMON_ALERTING_FILES_DIR: files,
    });
    started.push(server);
    const { http, grpc } = await until(server, () => readyEndpoints(data));
    const token = run(programs.server, ["token", "create", "--data-dir", data]);
    run(programs.agent, ["enroll", "--state-dir", state, "--server", grpc, "--token", token]);
    started.push(new Program(programs.agent, ["run", "--state-dir", state]));
    return { url: `http://${http}`, host: hostname(), configure, close };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Endpoints {
  http: string;
  grpc: string;
}

/** Returns the addresses of the server once it says that it is ready. */
async function readyEndpoints(data: string): Promise<Endpoints> {
  const endpoints = JSON.parse(await readFile(join(data, "endpoints.json"), "utf8")) as Endpoints;
  const answer = await fetch(`http://${endpoints.http}/readyz`);
  if (!answer.ok) throw new Error(`/readyz: ${answer.status}: ${await answer.text()}`);
  return endpoints;
}

/** Tries again until it succeeds, as long as the program runs. */
async function until<T>(program: Program, attempt: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + READY;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (program.ended || Date.now() > deadline) {
        throw new Error(`not ready: ${String(error)}\n${program.output()}`, { cause: error });
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Runs a program to its end and returns what it printed. */
function run(path: string, args: readonly string[]): string {
  const { status, error, stdout, stderr } = spawnSync(path, args, { encoding: "utf8", timeout: 60_000 });
  // The arguments hold the token: they are not printed.
  if (error || status !== 0) {
    throw new Error(`${path} ${args[0] ?? ""}: ${error?.message ?? `exit ${status}`}\n${stdout}${stderr}`);
  }
  return stdout.trim();
}

/** A program that runs until it is ended. */
class Program {
  private readonly child: ChildProcess;
  private text = "";

  constructor(
    private readonly path: string,
    args: readonly string[],
    env: Record<string, string> = {},
  ) {
    this.child = spawn(path, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
    const keep = (part: Buffer) => (this.text = (this.text + part.toString()).slice(-6000));
    this.child.stdout?.on("data", keep);
    this.child.stderr?.on("data", keep);
    this.child.on("error", (error) => (this.text += String(error)));
  }

  get ended(): boolean {
    // Without a process id it was never started.
    return this.child.pid === undefined || this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** The end of what it printed. */
  output(): string {
    return this.text;
  }

  /** Asks it to drain and waits for it; returns what went wrong. */
  async end(): Promise<string | undefined> {
    if (this.ended) return `${this.path} ended by itself:\n${this.text}`;
    const gone = new Promise((resolve) => this.child.once("exit", resolve));
    const timer = setTimeout(() => this.child.kill("SIGKILL"), DRAIN);
    this.child.kill("SIGTERM");
    await gone;
    clearTimeout(timer);
    if (this.child.exitCode === 0) return undefined;
    return `${this.path}: exit ${this.child.exitCode ?? "by signal"} after SIGTERM:\n${this.text}`;
  }
}
