import { createContext, useContext } from "react";
import { Store } from "../../lib/store";

/** The moment that is looked at, in all charts of a page; undefined: none. */
export type Cursor = Store<number | undefined>;

const CursorContext = createContext<Cursor | undefined>(undefined);

/** Gives the charts within it one cursor. */
export const CursorProvider = CursorContext.Provider;

/** Makes a cursor. */
export function newCursor(): Cursor {
  return new Store<number | undefined>(undefined);
}

/** Returns the cursor of the page. */
export function useCursor(): Cursor {
  const cursor = useContext(CursorContext);
  if (!cursor) throw new Error("a chart stands outside of a CursorProvider");
  return cursor;
}
