import { useLocation, useNavigate } from "react-router";
import { FIRST_PAGE, type PageView } from "./pages";

// The tokens of the pages before this one; the URL holds only this page's.
interface History {
  before?: string[];
}

/** How to go through the pages of a list whose view lives in the URL. */
export interface Pages<V> {
  /** Shows another view. */
  show: (view: V, options?: { replace?: boolean; keepPage?: boolean }) => void;
  /** Shows the page before; undefined on the first. */
  previous: (() => void) | undefined;
  /** Returns how to show the page of the token; undefined without a token. */
  next: (token: string | undefined) => (() => void) | undefined;
}

/** Returns how to go through the pages of the view. */
export function usePages<V extends PageView>(view: V, write: (view: V) => URLSearchParams): Pages<V> {
  const navigate = useNavigate();
  const before = (useLocation().state as History | null)?.before ?? [];
  const go = (next: V, history: string[], replace = false) =>
    void navigate({ search: write(next).toString() }, { state: { before: history }, replace });
  return {
    show: (next, { replace = false, keepPage = false } = {}) =>
      go(keepPage ? next : { ...next, ...FIRST_PAGE }, keepPage ? before : [], replace),
    previous:
      view.token === ""
        ? undefined
        : () =>
            go(
              { ...view, token: before.at(-1) ?? "", page: before.length === 0 ? 0 : view.page - 1 },
              before.slice(0, -1),
            ),
    next: (token) =>
      token ? () => go({ ...view, token, page: view.page + 1 }, [...before, view.token]) : undefined,
  };
}
