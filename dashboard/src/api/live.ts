// New samples as they arrive: one WebSocket for the whole page, which comes back
// by itself after a loss and says to each watch that it may have missed samples.

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

/** What a watch is told. */
export interface WatchHandlers {
  samples: (samples: LiveSample[]) => void;
  /** Samples were missed: the past has to be queried again. */
  missed: () => void;
  /** The server cannot make this watch. */
  refused: (message: string) => void;
}

/** idle: nobody watches. waiting: lost, and about to try again. */
export type LiveState = "idle" | "connecting" | "open" | "waiting";

interface Watch extends WatchHandlers {
  match: readonly string[];
  series: Map<number, Labels>;
}

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

/** Watches series over one WebSocket. */
export class LiveClient {
  /** The state of the connection. */
  readonly state = new Store<LiveState>("idle");
  private readonly watches = new Map<number, Watch>();
  private socket: WebSocket | undefined;
  private nextId = 1;
  private attempt = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly url: string) {}

  /** Watches the series that match any of the selectors; returns how to end it. */
  watch(match: readonly string[], handlers: WatchHandlers): () => void {
    const id = this.nextId++;
    this.watches.set(id, { ...handlers, match, series: new Map() });
    if (this.state.get() === "idle") this.connect();
    else if (this.state.get() === "open") this.send(id, match);
    return () => {
      if (!this.watches.delete(id)) return;
      if (this.state.get() === "open") this.send(id, []);
      if (this.watches.size === 0) this.after(LINGER, () => this.closeIfIdle());
    };
  }

  /** Tries again at once, for a caller who knows that the server is back. */
  retry() {
    if (this.state.get() === "waiting") this.connect();
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
    for (const [id, watch] of this.watches) {
      watch.series.clear();
      this.send(id, watch.match);
      // Whatever came while there was no connection was missed.
      if (this.attempt > 0) watch.missed();
    }
    this.attempt = 0;
    if (this.watches.size === 0) this.after(LINGER, () => this.closeIfIdle());
  }

  private lost() {
    this.socket = undefined;
    if (this.watches.size === 0) {
      this.attempt = 0;
      this.state.set("idle");
      return;
    }
    this.state.set("waiting");
    this.after(backoff(this.attempt++, BACKOFF), () => this.connect());
  }

  private received(text: string) {
    const message = JSON.parse(text) as Message;
    const watch = this.watches.get(message.id ?? 0);
    if (!watch) return; // ended while this was under way
    if (message.error) watch.refused(message.error);
    for (const s of message.series ?? []) watch.series.set(s.ref ?? 0, s.labels ?? {});
    const samples: LiveSample[] = [];
    for (const s of message.samples ?? []) {
      const labels = watch.series.get(s.ref ?? 0);
      if (labels) samples.push({ labels, t: int64(s.timestampMs), v: double(s.value) });
    }
    if (samples.length > 0) watch.samples(samples);
    if (int64(message.dropped) > 0) watch.missed();
  }

  private send(id: number, match: readonly string[]) {
    this.socket?.send(JSON.stringify({ id, match }));
  }

  private after(ms: number, then: () => void) {
    clearTimeout(this.timer);
    this.timer = setTimeout(then, ms);
  }

  private closeIfIdle() {
    if (this.watches.size > 0) return;
    this.state.set("idle");
    const socket = this.socket;
    this.socket = undefined;
    socket?.close();
  }
}

/** The page's connection. */
export const live = new LiveClient(`${globalThis.location.origin.replace(/^http/, "ws")}/api/v1/live`);
