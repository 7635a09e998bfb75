/**
 * Bits of `event.flags`. Decisions read these, never the JSON.
 * REJECTED: failed its auth checks. SOFT_FAILED: passed them, but not by the current state. OUTLIER: known without its
 * place in the graph. REDACTED: the body is the redacted form. BACKFILLED: fetched from behind a segment's start.
 * PARTIAL_AUTH: authorised while the room's state was incomplete. PASSED_ON: handed in by another server to be passed
 * on by this one to all servers of the room.
 */
export const eventFlags = {
  REJECTED: 1,
  SOFT_FAILED: 2,
  OUTLIER: 4,
  REDACTED: 8,
  BACKFILLED: 16,
  PARTIAL_AUTH: 32,
  PASSED_ON: 64,
} as const;

/** Whether the event takes part in the room: seen by clients, counted in state. */
export function isAccepted(flags: number): boolean {
  return (flags & (eventFlags.REJECTED | eventFlags.SOFT_FAILED | eventFlags.OUTLIER)) === 0;
}
