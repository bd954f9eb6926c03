import type { WireError } from "./schema";

/** What kind of failure: decides what the page offers to do about it. */
export type ErrorKind = "unreachable" | "not_found" | "refused" | "failed";

/** A call that did not give an answer. The message is for people. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly kind: ErrorKind,
    message: string,
    /** The server's stable id of the reason, if it named one. */
    readonly reason?: string,
  ) {
    super(message);
  }
}

/** Makes the error of an HTTP answer. */
export function errorOf(status: number, body: unknown): ApiError {
  const wire = (typeof body === "object" && body !== null ? body : {}) as Partial<WireError>;
  const { reason } = wire;
  // A proxy's answers: the server behind it is not there. One of the server's own,
  // such as to a query that took too long, names its reason.
  if (reason === undefined && (status === 502 || status === 504)) return unreachable();
  const kind = status === 404 ? "not_found" : status >= 500 ? "failed" : "refused";
  return new ApiError(kind, wire.message ?? `The server answered with status ${status}.`, reason);
}

/** Makes the error of a server that gave no answer. */
export function unreachable(): ApiError {
  return new ApiError("unreachable", "The server cannot be reached.");
}

/** Returns a text for people, whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
