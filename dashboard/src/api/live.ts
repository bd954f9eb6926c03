// New samples as they arrive: one WebSocket for the whole page, which comes back
// by itself after a loss and says to each watcher that samples may be missing.

import { backoff } from "../lib/backoff";
import type { Labels } from "../lib/labels";
import { double, int64 } from "../lib/proto-json";
import { Store } from "../lib/store";

/** A new sample. */
export interface LiveSample {
  labels: Labels;
  t: number;
  v: number;
}

/** Who wants to see new samples. */
export interface Watcher {
  /** Selectors of what to watch. */
  match: readonly string[];
  /** Tells whether a series is one that the selectors match. */
  accepts: (labels: Labels) => boolean;
  samples: (samples: LiveSample[]) => void;
  /** Samples were missed: the past has to be queried again. */
  missed: () => void;
  /** The server will not watch this. */
  refused: (message: string) => void;
}

/** idle: nobody watches. waiting: lost, and about to try again. */
export type LiveState = "idle" | "connecting" | "open" | "waiting";

// The series of a watch that the server runs for us, by their numbers.
type Known = Map<number, { labels: Labels; watchers: Watcher[] }>;

// A WatchResponse in protobuf's JSON form: zero values may be left out.
interface Message {
  id?: number;
  series?: { ref?: number; labels?: Labels }[];
  samples?: { ref?: number; timestampMs?: string | number; value?: string | number }[];
  dropped?: string | number;
  error?: string;
}

const BACKOFF = { first: 500, max: 15_000 };
/** A connection that nobody needs is kept so long: another page may want it. */
const LINGER = 5000;
/** The charts of a page come together: the server is asked once for all of them. */
const GATHER = 20;
/** The server takes so many selectors for one watch, and a few more. */
const SELECTORS = 40;

/** Watches series over one WebSocket. */
export class LiveClient {
  /** The state of the connection. */
  readonly state = new Store<LiveState>("idle");
  private readonly watchers = new Set<Watcher>();
  private watches = new Map<number, Known>();
  private socket: WebSocket | undefined;
  private nextId = 1;
  private attempt = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private gather: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly url: string) {}

  /** Shows new samples to the watcher until the returned function is called. */
  watch(watcher: Watcher): () => void {
    this.watchers.add(watcher);
    this.changed();
    return () => {
      if (this.watchers.delete(watcher)) this.changed();
    };
  }

  /** Tries again at once, for a caller who knows that the server is back. */
  retry() {
    if (this.state.get() === "waiting") this.connect();
  }

  private changed() {
    const state = this.state.get();
    if (state === "idle" && this.watchers.size > 0) this.connect();
    if (state !== "open" || this.gather !== undefined) return;
    this.gather = setTimeout(() => this.ask(), GATHER);
  }

  /** Asks for what is wanted now, before it ends what was asked for: no gap. */
  private ask() {
    this.gather = undefined;
    const before = [...this.watches.keys()];
    this.watches = new Map();
    const selectors = [...new Set([...this.watchers].flatMap((w) => w.match))];
    for (let i = 0; i < selectors.length; i += SELECTORS) {
      const id = this.nextId++;
      this.watches.set(id, new Map());
      this.send(id, selectors.slice(i, i + SELECTORS));
    }
    for (const id of before) this.send(id, []);
    clearTimeout(this.timer);
    if (selectors.length === 0) this.timer = setTimeout(() => this.close(), LINGER);
  }

  private connect() {
    clearTimeout(this.timer);
    this.state.set("connecting");
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.onopen = () => this.opened();
    socket.onmessage = (event: MessageEvent<string>) => this.received(event.data);
    socket.onclose = () => {
      if (socket === this.socket) this.lost();
    };
  }

  private opened() {
    this.state.set("open");
    this.watches.clear(); // the server forgot them with the old connection
    this.ask();
    // Whatever came while there was no connection was missed.
    if (this.attempt > 0) for (const watcher of [...this.watchers]) watcher.missed();
    this.attempt = 0;
  }

  private lost() {
    this.socket = undefined;
    clearTimeout(this.gather);
    this.gather = undefined;
    clearTimeout(this.timer);
    if (this.watchers.size === 0) {
      this.attempt = 0;
      this.state.set("idle");
      return;
    }
    this.state.set("waiting");
    this.timer = setTimeout(() => this.connect(), backoff(this.attempt++, BACKOFF));
  }

  private close() {
    this.state.set("idle");
    const socket = this.socket;
    this.socket = undefined;
    socket?.close();
  }

  private received(text: string) {
    const message = JSON.parse(text) as Message;
    const known = this.watches.get(message.id ?? 0);
    if (!known) return; // ended while this was under way
    if (message.error) for (const watcher of [...this.watchers]) watcher.refused(message.error);
    for (const s of message.series ?? []) {
      const labels = s.labels ?? {};
      known.set(s.ref ?? 0, { labels, watchers: [...this.watchers].filter((w) => w.accepts(labels)) });
    }
    this.deliver(known, message);
    if (int64(message.dropped) > 0) for (const watcher of [...this.watchers]) watcher.missed();
  }

  private deliver(known: Known, message: Message) {
    const batches = new Map<Watcher, LiveSample[]>();
    for (const s of message.samples ?? []) {
      const series = known.get(s.ref ?? 0);
      if (!series) continue;
      const sample = { labels: series.labels, t: int64(s.timestampMs), v: double(s.value) };
      for (const watcher of series.watchers) {
        const batch = batches.get(watcher);
        if (batch) batch.push(sample);
        else batches.set(watcher, [sample]);
      }
    }
    for (const [watcher, batch] of batches) if (this.watchers.has(watcher)) watcher.samples(batch);
  }

  private send(id: number, match: readonly string[]) {
    this.socket?.send(JSON.stringify({ id, match }));
  }
}

/** The page's connection. */
export const live = new LiveClient(`${globalThis.location.origin.replace(/^http/, "ws")}/api/v1/live`);
