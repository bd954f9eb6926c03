/** A count of the server at a moment of this machine. */
export interface Reading {
  at: number;
  start: string;
  count: number;
}

/**
 * Returns how many a second were counted between two readings, undefined if that
 * cannot be said: the first, the same, or one of another run of the server.
 */
export function perSecond(before: Reading | undefined, now: Reading): number | undefined {
  if (before?.start !== now.start || now.at <= before.at || now.count < before.count) return undefined;
  return ((now.count - before.count) * 1000) / (now.at - before.at);
}
