import { Store, useStore } from "./store";

const KEY = "esmon.author";

// Storage may be forbidden; then the name is known until the page is closed.
function remembered(): string {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

const author = new Store(remembered());

/** Returns the name under which this browser's user acts, and how to change it. */
export function useAuthor(): [string, (name: string) => void] {
  return [useStore(author), setAuthor];
}

function setAuthor(name: string) {
  author.set(name);
  try {
    localStorage.setItem(KEY, name);
  } catch {
    // It is only a convenience.
  }
}
