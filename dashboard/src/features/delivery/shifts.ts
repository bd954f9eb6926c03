// Shifts on a line of time.

import type { Shift } from "../../api/schema";
import { timestamp } from "../../lib/proto-json";

/** A shift as it is drawn: shares of the whole span, from 0 to 1. */
export interface ShiftBar {
  person: string;
  override: boolean;
  from: number;
  to: number;
  left: number;
  width: number;
}

/** Returns the shifts that lie in the span, and where. */
export function shiftBars(shifts: readonly Shift[], span: { from: number; to: number }): ShiftBar[] {
  return shifts.flatMap((shift) => {
    const [from, to] = [timestamp(shift.startTime), timestamp(shift.endTime)];
    if (from === undefined || to === undefined || to <= span.from || from >= span.to) return [];
    const length = span.to - span.from;
    const left = (Math.max(from, span.from) - span.from) / length;
    const right = (Math.min(to, span.to) - span.from) / length;
    return [
      { person: shift.person ?? "", override: shift.override ?? false, from, to, left, width: right - left },
    ];
  });
}

/** Returns the midnights of the span in the viewer's time. */
export function midnights(span: { from: number; to: number }): number[] {
  const out: number[] = [];
  const day = new Date(span.from);
  day.setHours(24, 0, 0, 0);
  while (day.getTime() < span.to) {
    out.push(day.getTime());
    // By date and not by hours: some days have 23 or 25.
    day.setDate(day.getDate() + 1);
  }
  return out;
}
