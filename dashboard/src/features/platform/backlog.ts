/**
 * Returns how many records of a log that holds first to next, without next, a
 * reader has yet to read. Its offset is that of the next record it reads; one that
 * never read stands at 0, before what is kept.
 */
export function backlog(log: { first: number; next: number }, offset: number): number {
  return Math.max(0, log.next - Math.max(log.first, offset));
}
