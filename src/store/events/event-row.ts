import type { EventNid, LineNid, RoomNid, StateKeyNid, StatePoint, StreamPos, TypeNid, UserNid } from '../nids.ts';
import type { MembershipCode } from './membership.ts';

/** The integers kept of an event: all that routing, auth, membership and sync decisions need. */
export interface EventRow {
  readonly nid: EventNid;
  readonly room: RoomNid;
  readonly type: TypeNid;
  readonly sender: UserNid;
  /** `null`: not a state event. */
  readonly stateKey: StateKeyNid | null;
  /** Clamped to 2^53 - 1; exact in the body. */
  readonly depth: number;
  /** `origin_server_ts`, clamped likewise. */
  readonly ts: number;
  /** Bits of `eventFlags`. */
  readonly flags: number;
  /** Of a well-formed `m.room.member`. */
  readonly membership: MembershipCode | null;
  /** Arrival order; `null` for what is not live. */
  readonly pos: StreamPos | null;
  /** Room order: segment and place in it; `null` for outliers, rejected and soft-failed events. */
  readonly segment: number | null;
  readonly idx: number | null;
  /** The state before the event is what `line` says at `linePos`; `null` if unknown. */
  readonly line: LineNid | null;
  readonly linePos: StreamPos | null;
}

/** An event to be stored. `canonical` is its canonical JSON without `unsigned`; the same bytes come back. */
export interface NewEvent {
  readonly nid: EventNid;
  readonly room: RoomNid;
  readonly type: TypeNid;
  readonly sender: UserNid;
  readonly stateKey: StateKeyNid | null;
  readonly depth: number;
  readonly ts: number;
  readonly flags: number;
  readonly membership?: MembershipCode | undefined;
  readonly pos?: StreamPos | undefined;
  readonly segment?: number | undefined;
  readonly idx?: number | undefined;
  readonly before?: StatePoint | undefined;
  readonly canonical: string;
  /** `prev_events`, known or not. */
  readonly parents: readonly EventNid[];
}

/** The columns of an `EventRow`, for a SELECT from `event`. */
export const eventColumns =
  'event.nid, event.room, event.type, event.sender, event.state_key AS stateKey, event.depth, event.ts, event.flags,' +
  ' event.membership, event.pos, event.segment, event.idx, event.line, event.line_pos AS linePos';

/** The state before an event, if it is known. */
export function pointBefore(row: Pick<EventRow, 'line' | 'linePos'>): StatePoint | undefined {
  return row.line === null || row.linePos === null ? undefined : { line: row.line, pos: row.linePos };
}
