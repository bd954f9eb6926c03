import { useRef, useState, type KeyboardEvent, type PointerEvent, type RefObject } from "react";
import { nearest } from "../../lib/frame";
import { MIN_SPAN } from "../../lib/time-range";
import type { Cursor } from "./cursor";
import { GRID } from "./option";

interface Span {
  from: number;
  to: number;
}

/** Less than this is a click that trembled. */
const MIN_PIXELS = 6;

/**
 * Moves the cursor by pointer and keys, and lets a span be marked by dragging:
 * returns the handlers of the chart's element and the span marked so far.
 */
export function useCursorMoves(
  box: RefObject<HTMLElement | null>,
  cursor: Cursor,
  times: readonly number[],
  span: Span,
  onZoom: ((from: number, to: number) => void) | undefined,
) {
  const start = useRef<{ x: number; t: number } | undefined>(undefined);
  const [marked, setMarked] = useState<Span>();

  const timeAt = (clientX: number): number => {
    const rect = box.current?.getBoundingClientRect();
    if (!rect) return span.to;
    const share = (clientX - rect.left - GRID.left) / (rect.width - GRID.left - GRID.right);
    return span.from + Math.min(1, Math.max(0, share)) * (span.to - span.from);
  };
  const snap = (t: number) => times[nearest(times, t)] ?? t;

  const handlers = {
    onPointerMove: (e: PointerEvent) => {
      const t = timeAt(e.clientX);
      cursor.set(snap(t));
      const from = start.current;
      if (from) setMarked({ from: Math.min(from.t, t), to: Math.max(from.t, t) });
    },
    onPointerDown: (e: PointerEvent) => {
      if (!onZoom || e.button !== 0 || e.pointerType === "touch") return;
      e.currentTarget.setPointerCapture(e.pointerId);
      start.current = { x: e.clientX, t: timeAt(e.clientX) };
    },
    onPointerUp: (e: PointerEvent) => {
      const from = start.current;
      start.current = undefined;
      setMarked(undefined);
      if (!from || !onZoom || Math.abs(e.clientX - from.x) < MIN_PIXELS) return;
      const t = timeAt(e.clientX);
      const [a, b] = [Math.floor(Math.min(from.t, t)), Math.ceil(Math.max(from.t, t))];
      onZoom(a, Math.max(b, a + MIN_SPAN));
    },
    onPointerLeave: () => {
      if (!start.current) cursor.set(undefined);
    },
    onBlur: () => cursor.set(undefined),
    onKeyDown: (e: KeyboardEvent) => {
      const next = moved(e.key, times, cursor.get(), span);
      if (next === "none") return;
      e.preventDefault();
      cursor.set(next);
    },
  };
  return { handlers, marked };
}

/** Returns where a key moves the cursor; "none" for keys that do not. */
export function moved(
  key: string,
  times: readonly number[],
  at: number | undefined,
  span: Span,
): number | undefined | "none" {
  if (key === "Escape") return undefined;
  const first = times.findIndex((t) => t >= span.from);
  const last = times.findLastIndex((t) => t <= span.to);
  if (first < 0 || last < 0) return "none";
  const now = at === undefined ? last : nearest(times, at);
  const page = Math.max(1, Math.round((last - first) / 10));
  const to = new Map([
    ["ArrowLeft", now - 1],
    ["ArrowRight", now + 1],
    ["PageDown", now - page],
    ["PageUp", now + page],
    ["Home", first],
    ["End", last],
  ]).get(key);
  return to === undefined ? "none" : times[Math.min(last, Math.max(first, to))];
}
