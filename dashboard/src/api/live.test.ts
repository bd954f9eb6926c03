import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LiveClient, type LiveSample } from "./live";

class FakeSocket {
  static all: FakeSocket[] = [];
  onopen: (() => void) | undefined;
  onclose: (() => void) | undefined;
  onmessage: ((event: { data: string }) => void) | undefined;
  sent: unknown[] = [];
  closed = false;

  constructor(readonly url: string) {
    FakeSocket.all.push(this);
  }
  send(text: string) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.closed = true;
    this.onclose?.();
  }
  receive(message: unknown) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

const last = () => {
  const socket = FakeSocket.all.at(-1);
  if (!socket) throw new Error("no connection was made");
  return socket;
};
const watcher = (name: string) => ({
  match: [name],
  accepts: (labels: Readonly<Record<string, string>>) => labels.__name__ === name,
  samples: vi.fn<(s: LiveSample[]) => void>(),
  missed: vi.fn<() => void>(),
  refused: vi.fn<(m: string) => void>(),
});

describe("LiveClient", () => {
  let client: LiveClient;
  beforeEach(() => {
    FakeSocket.all = [];
    vi.useFakeTimers();
    vi.stubGlobal("WebSocket", FakeSocket);
    client = new LiveClient("ws://x/live");
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it("connects for the first watcher and asks once for all", () => {
    expect(FakeSocket.all).toHaveLength(0);
    client.watch(watcher("a"));
    client.watch(watcher("b"));
    client.watch(watcher("a"));
    expect(FakeSocket.all).toHaveLength(1);
    expect(client.state.get()).toBe("connecting");
    last().onopen?.();
    expect(client.state.get()).toBe("open");
    expect(last().sent).toEqual([{ id: 1, match: ["a", "b"] }]);
  });

  it("asks for more before it ends what it had", () => {
    client.watch(watcher("a"));
    last().onopen?.();
    client.watch(watcher("b"));
    client.watch(watcher("c"));
    vi.advanceTimersByTime(20);
    expect(last().sent.slice(1)).toEqual([
      { id: 2, match: ["a", "b", "c"] },
      { id: 1, match: [] },
    ]);
  });

  it("splits what is too much for one watch", () => {
    for (let i = 0; i < 85; i++) client.watch(watcher(`m${i}`));
    last().onopen?.();
    expect(last().sent.map((m) => (m as { match: string[] }).match.length)).toEqual([40, 40, 5]);
  });

  it("gives each watcher its samples, zero values left out", () => {
    const up = watcher("up");
    const down = watcher("down");
    client.watch(up);
    client.watch(down);
    last().onopen?.();
    last().receive({
      id: 1,
      series: [{ labels: { __name__: "up" } }, { ref: 1, labels: { __name__: "down" } }],
      samples: [
        { timestampMs: "1000", value: 1.5 },
        { ref: 1, timestampMs: "1000", value: "NaN" },
        { ref: 1, timestampMs: "2000" },
        { ref: 9, timestampMs: "2000", value: 1 },
      ],
    });
    expect(up.samples.mock.calls).toEqual([[[{ labels: { __name__: "up" }, t: 1000, v: 1.5 }]]]);
    expect(down.samples.mock.calls).toEqual([
      [
        [
          { labels: { __name__: "down" }, t: 1000, v: NaN },
          { labels: { __name__: "down" }, t: 2000, v: 0 },
        ],
      ],
    ]);
  });

  it("tells about dropped samples and refusals", () => {
    const w = watcher("a{");
    client.watch(w);
    last().onopen?.();
    expect(w.missed).not.toHaveBeenCalled();
    last().receive({ id: 1, dropped: "12" });
    expect(w.missed).toHaveBeenCalledOnce();
    last().receive({ id: 1, error: "unclosed brace" });
    expect(w.refused).toHaveBeenCalledWith("unclosed brace");
  });

  it("comes back after a loss, forgets the old numbers and says that samples were missed", () => {
    const w = watcher("a");
    client.watch(w);
    last().onopen?.();
    last().receive({ id: 1, series: [{ ref: 7, labels: { __name__: "a" } }] });
    last().onclose?.();
    expect(client.state.get()).toBe("waiting");
    vi.advanceTimersByTime(500);
    expect(FakeSocket.all).toHaveLength(2);
    last().onopen?.();
    expect(last().sent).toEqual([{ id: 2, match: ["a"] }]);
    expect(w.missed).toHaveBeenCalledOnce();
    last().receive({ id: 1, samples: [{ ref: 7, timestampMs: "1", value: 1 }] });
    last().receive({ id: 2, samples: [{ ref: 7, timestampMs: "1", value: 1 }] });
    expect(w.samples).not.toHaveBeenCalled();
  });

  it("waits a random time whose limit grows with each failure", () => {
    vi.spyOn(Math, "random").mockReturnValue(0.9999);
    client.watch(watcher("a"));
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      const before = FakeSocket.all.length;
      last().onclose?.();
      let waited = 0;
      while (FakeSocket.all.length === before) {
        vi.advanceTimersByTime(100);
        waited += 100;
      }
      waits.push(waited);
    }
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
  });

  it("tries at once when told that the server is back", () => {
    client.watch(watcher("a"));
    last().onclose?.();
    client.retry();
    expect(FakeSocket.all).toHaveLength(2);
    last().onopen?.();
    client.retry();
    vi.advanceTimersByTime(60_000);
    expect(FakeSocket.all).toHaveLength(2);
  });

  it("closes the connection when nobody watches any more", () => {
    const w = watcher("a");
    const end = client.watch(w);
    last().onopen?.();
    end();
    end();
    vi.advanceTimersByTime(20);
    expect(last().sent.slice(1)).toEqual([{ id: 1, match: [] }]);
    last().receive({ id: 1, series: [{ labels: { __name__: "a" } }], samples: [{ timestampMs: "1" }] });
    expect(w.samples).not.toHaveBeenCalled();
    vi.advanceTimersByTime(5000);
    expect(last().closed).toBe(true);
    expect(client.state.get()).toBe("idle");
    client.watch(watcher("b"));
    expect(FakeSocket.all).toHaveLength(2);
  });

  it("keeps the connection for the next page", () => {
    const end = client.watch(watcher("a"));
    last().onopen?.();
    end();
    vi.advanceTimersByTime(4000);
    client.watch(watcher("b"));
    vi.advanceTimersByTime(60_000);
    expect(FakeSocket.all).toHaveLength(1);
    expect(last().closed).toBe(false);
  });
});
