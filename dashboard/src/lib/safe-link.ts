/**
 * Returns the address if a page may be opened with it: what comes from rules and
 * senders must not run code.
 */
export function safeLink(address: string | undefined): string | undefined {
  if (!address) return undefined;
  try {
    const { protocol, href } = new URL(address, globalThis.location.origin);
    return protocol === "https:" || protocol === "http:" ? href : undefined;
  } catch {
    return undefined;
  }
}
