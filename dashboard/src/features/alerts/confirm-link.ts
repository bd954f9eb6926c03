// The signed link of a notification that leads to the page of confirmation.

/** What the link says. */
export interface ConfirmLink {
  ids: string[];
  /** Until when it is good, and the signature: for the server alone. */
  exp: string;
  sig: string;
}

/** The server takes so many at once. */
const MAX_IDS = 1000;

/** Reads the link; ids may stand in one parameter or in several. */
export function parseConfirmLink(params: URLSearchParams): ConfirmLink {
  const ids = params
    .getAll("ids")
    .flatMap((text) => text.split(","))
    .map((id) => id.trim())
    .filter((id) => id !== "");
  return {
    ids: [...new Set(ids)].slice(0, MAX_IDS),
    exp: params.get("exp") ?? "",
    sig: params.get("sig") ?? "",
  };
}
