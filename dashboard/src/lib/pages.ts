// The page of a list that the server cuts; it lives in the URL.

export const PAGE_SIZES = [25, 50, 100, 250] as const;
const DEFAULT_SIZE = 50;

export interface PageView {
  size: number;
  /** The server's token of the page; empty for the first. */
  token: string;
  /** Number of the page, from 0. */
  page: number;
}

/** The first page, as a change of what is listed wants it. */
export const FIRST_PAGE = { token: "", page: 0 } as const;

/** Reads the page from the URL; what makes no sense gives the first. */
export function parsePage(params: URLSearchParams): PageView {
  const size = Number(params.get("size"));
  const page = Number(params.get("page") ?? "1") - 1;
  const token = params.get("after") ?? "";
  return {
    size: PAGE_SIZES.find((s) => s === size) ?? DEFAULT_SIZE,
    token,
    page: token !== "" && Number.isInteger(page) && page > 0 ? page : 0,
  };
}

/** Writes the page into URL parameters, defaults left out. */
export function writePage(out: URLSearchParams, { size, token, page }: PageView) {
  if (size !== DEFAULT_SIZE) out.set("size", String(size));
  if (token === "") return;
  out.set("page", String(page + 1));
  out.set("after", token);
}
