import type { Brand } from '../util/brand.ts';

/**
 * NIDs: the integers that stand for strings inside the database and in memory. A NID is never reused, and a type of
 * its own for each kind keeps them apart. Only `store/` mints them.
 */
export type ServerNid = Brand<number, 'ServerNid'>;
export type UserNid = Brand<number, 'UserNid'>;
export type RoomNid = Brand<number, 'RoomNid'>;
export type TypeNid = Brand<number, 'TypeNid'>;
/** A (type, state_key) pair. */
export type StateKeyNid = Brand<number, 'StateKeyNid'>;
export type EventNid = Brand<number, 'EventNid'>;
export type DeviceNid = Brand<number, 'DeviceNid'>;
/** A line of the state log. */
export type LineNid = Brand<number, 'LineNid'>;

/** The server's one clock: stamped on every change of every kind, growing, never reused. */
export type StreamPos = Brand<number, 'StreamPos'>;

/** State at a point: what the line's log says at `pos`. The state before an event is such a point. */
export interface StatePoint {
  readonly line: LineNid;
  readonly pos: StreamPos;
}
