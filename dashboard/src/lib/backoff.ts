// Waiting before trying again.

/** Bounds of the wait, in milliseconds. */
export interface BackoffOptions {
  first: number;
  max: number;
}

/**
 * Returns how long to wait before the attempt: a random part of a limit that
 * doubles with each attempt. The whole wait is random ("full jitter"), so that
 * all the pages that lost one server do not come back to it together.
 */
export function backoff(
  attempt: number,
  options: BackoffOptions,
  random: () => number = Math.random,
): number {
  const limit = Math.min(options.max, options.first * 2 ** Math.min(attempt, 30));
  return Math.floor(random() * limit);
}
