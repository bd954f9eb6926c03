// What every part of the api stands on: a call gives what the contract says or
// throws an ApiError.

import createClient from "openapi-fetch";
import { ApiError, errorOf, unreachable } from "./errors";
import { answered, unanswered } from "./reach";
import type { paths } from "./schema";

export const client = createClient<paths>({
  baseUrl: globalThis.location.origin,
  // Read on each call, so that tests can put theirs in place.
  fetch: (request) => globalThis.fetch(request),
});

/** Returns the options of a call that may be given up. */
export function withSignal(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}

/** Returns what is there, or says that there is no such thing. */
export function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new ApiError("not_found", `There is no ${what}.`);
  return value;
}

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** Waits for an answer. */
export async function call<T>(pending: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await pending;
  } catch (cause) {
    // Given up by the page itself: the next page, or a newer request.
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    unanswered();
    throw unreachable();
  }
  if (answer.data !== undefined) {
    answered(answer.response);
    return answer.data;
  }
  const error = errorOf(answer.response.status, answer.error);
  if (error.kind === "unreachable") unanswered();
  else answered(answer.response);
  throw error;
}
