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
const handlers = () => ({
  samples: vi.fn<(s: LiveSample[]) => void>(),
  missed: vi.fn<() => void>(),
  refused: vi.fn<(m: string) => void>(),
});

describe("LiveClient", () => {
  beforeEach(() => {
    FakeSocket.all = [];
    vi.useFakeTimers();
    vi.stubGlobal("WebSocket", FakeSocket);
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it("connects for the first watch and sends all that wait", () => {
    const client = new LiveClient("ws://x/live");
    expect(FakeSocket.all).toHaveLength(0);
    client.watch(["a"], handlers());
    client.watch(["b"], handlers());
    expect(FakeSocket.all).toHaveLength(1);
    expect(client.state.get()).toBe("connecting");
    last().onopen?.();
    expect(client.state.get()).toBe("open");
    expect(last().sent).toEqual([
      { id: 1, match: ["a"] },
      { id: 2, match: ["b"] },
    ]);
  });

  it("reads the samples of a watch, zero values left out", () => {
    const client = new LiveClient("ws://x/live");
    const a = handlers();
    const b = handlers();
    client.watch(["a"], a);
    client.watch(["b"], b);
    last().onopen?.();
    last().receive({
      id: 1,
      series: [{ labels: { __name__: "up" } }, { ref: 1, labels: { __name__: "down" } }],
      samples: [{ timestampMs: "1000", value: 1.5 }, { ref: 1, timestampMs: "1000", value: "NaN" }, { ref: 1, timestampMs: "2000" }],
    });
    expect(a.samples.mock.calls).toEqual([
      [
        [
          { labels: { __name__: "up" }, t: 1000, v: 1.5 },
          { labels: { __name__: "down" }, t: 1000, v: NaN },
          { labels: { __name__: "down" }, t: 2000, v: 0 },
        ],
      ],
    ]);
    expect(b.samples).not.toHaveBeenCalled();
  });

  it("tells about dropped samples and refusals", () => {
    const client = new LiveClient("ws://x/live");
    const h = handlers();
    client.watch(["a{"], h);
    last().onopen?.();
    expect(h.missed).not.toHaveBeenCalled();
    last().receive({ id: 1, dropped: "12" });
    expect(h.missed).toHaveBeenCalledOnce();
    last().receive({ id: 1, error: "unclosed brace" });
    expect(h.refused).toHaveBeenCalledWith("unclosed brace");
  });

  it("comes back after a loss, forgets the old numbers and says that samples were missed", () => {
    const client = new LiveClient("ws://x/live");
    const h = handlers();
    client.watch(["a"], h);
    const first = last();
    first.onopen?.();
    first.receive({ id: 1, series: [{ ref: 7, labels: { n: "old" } }] });
    first.onclose?.();
    expect(client.state.get()).toBe("waiting");
    vi.advanceTimersByTime(500);
    expect(FakeSocket.all).toHaveLength(2);
    last().onopen?.();
    expect(last().sent).toEqual([{ id: 1, match: ["a"] }]);
    expect(h.missed).toHaveBeenCalledOnce();
    last().receive({ id: 1, samples: [{ ref: 7, timestampMs: "1", value: 1 }] });
    expect(h.samples).not.toHaveBeenCalled();
  });

  it("waits a random time that grows with each failure", () => {
    vi.spyOn(Math, "random").mockReturnValue(0.9999);
    const client = new LiveClient("ws://x/live");
    client.watch(["a"], handlers());
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
    const client = new LiveClient("ws://x/live");
    client.watch(["a"], handlers());
    last().onclose?.();
    client.retry();
    expect(FakeSocket.all).toHaveLength(2);
    last().onopen?.();
    client.retry();
    vi.advanceTimersByTime(60_000);
    expect(FakeSocket.all).toHaveLength(2);
  });

  it("ends watches, and the connection when nobody watches any more", () => {
    const client = new LiveClient("ws://x/live");
    const h = handlers();
    const end = client.watch(["a"], h);
    last().onopen?.();
    end();
    end();
    expect(last().sent).toEqual([
      { id: 1, match: ["a"] },
      { id: 1, match: [] },
    ]);
    last().receive({ id: 1, series: [{ labels: {} }], samples: [{ timestampMs: "1" }] });
    expect(h.samples).not.toHaveBeenCalled();
    vi.advanceTimersByTime(5000);
    expect(last().closed).toBe(true);
    expect(client.state.get()).toBe("idle");
    client.watch(["b"], h);
    expect(FakeSocket.all).toHaveLength(2);
  });

  it("keeps the connection for the next page", () => {
    const client = new LiveClient("ws://x/live");
    client.watch(["a"], handlers())();
    last().onopen?.();
    vi.advanceTimersByTime(4000);
    client.watch(["b"], handlers());
    vi.advanceTimersByTime(60_000);
    expect(FakeSocket.all).toHaveLength(1);
    expect(last().closed).toBe(false);
  });
});
