import type { StreamPos } from '../nids.ts';

/** Before everything. */
export const streamStart = 0 as StreamPos;
/** After everything. */
export const streamEnd = Number.MAX_SAFE_INTEGER as StreamPos;

export function justBefore(pos: StreamPos): StreamPos {
  return (pos - 1) as StreamPos;
}

/** The position of a place in the room order, as far as it goes: live events stand at their position. */
export function positionOfIndex(idx: number, now: StreamPos): StreamPos {
  return Math.max(0, Math.min(idx, now)) as StreamPos;
}

/** As far as one look goes: `length` positions behind `from`, but not further than `now`. */
export function spanEnd(from: StreamPos, length: number, now: StreamPos): StreamPos {
  return Math.min(now, from + length) as StreamPos;
}
