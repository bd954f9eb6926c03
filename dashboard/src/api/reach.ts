// Whether the server answers, as the last calls saw it, and what its clock says.

import { Store } from "../lib/store";

/** The state of the connection; since when it is lost, in this machine's time. */
export type Reach = { ok: true } | { ok: false; since: number };

/** Follows every call of the api. */
export const reach = new Store<Reach>({ ok: true });

let skew = 0;

/** Notes that the server answered, and the time it named. */
export function answered(response: Response) {
  const date = Date.parse(response.headers.get("Date") ?? "");
  // The header has whole seconds: smaller differences mean nothing.
  if (!Number.isNaN(date)) {
    const difference = date - Date.now();
    skew = Math.abs(difference) > 2000 ? difference : 0;
  }
  if (!reach.get().ok) reach.set({ ok: true });
}

/** Notes that there was no answer. */
export function unanswered() {
  if (reach.get().ok) reach.set({ ok: false, since: Date.now() });
}

/**
 * Returns the time by the server's clock: samples carry it, and a viewer's clock
 * that is wrong must not make charts look empty.
 */
export function serverNow(): number {
  return Date.now() + skew;
}
