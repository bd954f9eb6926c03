import type { Silence } from "../../api/schema";
import { formatSeconds } from "../../lib/format";
import { int64 } from "../../lib/proto-json";

/** Writes when a silence comes again. */
export function recurrenceText(recurrence: NonNullable<Silence["recurrence"]>): string {
  const { cron = "", minutes, timeZone } = recurrence;
  return `${formatSeconds(int64(minutes) * 60)} at each ${cron} (${timeZone ?? "UTC"})`;
}
