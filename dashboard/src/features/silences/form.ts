// The form of a silence: what stands in its fields, and the silence it makes.

import type { Silence } from "../../api/schema";
import { matchesAll, parseMatchers, writeMatcher } from "../../lib/matchers";
import { int64, timestamp } from "../../lib/proto-json";
import { fromLocalField, HOUR, toLocalField } from "../../lib/time-range";

/** The fields, as they are written. */
export interface SilenceFields {
  matchers: string;
  /** Local time; empty for now. */
  start: string;
  /** Local time. */
  end: string;
  recurring: boolean;
  cron: string;
  minutes: string;
  timeZone: string;
  comment: string;
}

/** What is wrong, by field. */
export type Mistakes = Partial<Record<keyof SilenceFields, string>>;

/** Returns the fields of a new silence. */
export function newFields(matchers: string, now: number): SilenceFields {
  return {
    matchers,
    start: "",
    end: toLocalField(now + 2 * HOUR),
    recurring: false,
    cron: "0 22 * * 6",
    minutes: "120",
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    comment: "",
  };
}

/** Writes each matcher on a line; what cannot be read is left as it is. */
export function onLines(text: string): string {
  const parsed = parseMatchers(text);
  return parsed.ok ? parsed.matchers.map(writeMatcher).join("\n") : text;
}

/** Returns the fields of a silence that there is. */
export function fieldsOf(silence: Silence, now: number): SilenceFields {
  const blank = newFields("", now);
  const [start, end] = [timestamp(silence.startTime), timestamp(silence.endTime)];
  const { recurrence } = silence;
  return {
    ...blank,
    matchers: (silence.matchers ?? []).join("\n"),
    start: start === undefined ? "" : toLocalField(start),
    end: end === undefined ? "" : toLocalField(end),
    recurring: recurrence !== undefined,
    ...(recurrence && {
      cron: recurrence.cron ?? "",
      minutes: String(int64(recurrence.minutes)),
      timeZone: recurrence.timeZone ?? "UTC",
    }),
    comment: silence.comment ?? "",
  };
}

/** Returns what is wrong with the fields; the server has the last word. */
export function mistakesOf(fields: SilenceFields, now: number): Mistakes {
  const out: Mistakes = {};
  const matchers = matchersMistake(fields.matchers);
  if (matchers) out.matchers = matchers;
  const start = fields.start ? fromLocalField(fields.start) : now;
  const end = fromLocalField(fields.end);
  if (Number.isNaN(end)) out.end = "Say when it ends.";
  else if (end <= Math.max(start, now)) out.end = "The end must be after the start, and not over.";
  if (fields.recurring) {
    if (fields.cron.trim().split(/\s+/).length !== 5)
      out.cron = "Write five fields: minute hour day month weekday.";
    if (!/^\d+$/.test(fields.minutes.trim()) || Number(fields.minutes) < 1)
      out.minutes = "Write how many minutes.";
    if (!validTimeZone(fields.timeZone))
      out.timeZone = "This time zone is not known. Write one such as Europe/Berlin.";
  }
  if (fields.comment.trim() === "") out.comment = "Say why: others see it.";
  return out;
}

/** Returns what is wrong with the matchers of a silence. */
export function matchersMistake(text: string): string | undefined {
  const parsed = parseMatchers(text);
  if (!parsed.ok) return parsed.error;
  if (parsed.matchers.length === 0) return 'Say what it hides, such as host_name="db1".';
  return matchesAll(parsed.matchers)
    ? "It would hide everything: at least one matcher must ask for a value."
    : undefined;
}

/** Returns the silence that the fields make. */
export function silenceOf(fields: SilenceFields, author: string, id?: string): Silence {
  const parsed = parseMatchers(fields.matchers);
  const end = fromLocalField(fields.end);
  return {
    ...(id !== undefined && { id }),
    matchers: parsed.ok ? parsed.matchers.map(writeMatcher) : [],
    ...(fields.start && { startTime: new Date(fromLocalField(fields.start)).toISOString() }),
    ...(!Number.isNaN(end) && { endTime: new Date(end).toISOString() }),
    ...(fields.recurring && {
      recurrence: {
        cron: fields.cron.trim(),
        minutes: fields.minutes.trim(),
        timeZone: fields.timeZone.trim(),
      },
    }),
    author: author.trim(),
    comment: fields.comment.trim(),
  };
}

function validTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name.trim() });
    return name.trim() !== "";
  } catch {
    return false;
  }
}
