import type { EventRow } from '../../store/events/event-row.ts';
import { pointBefore } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import { eventFlags, isAccepted } from '../../store/events/flags.ts';
import { type MembershipName, membershipName, memberships } from '../../store/events/membership.ts';
import type { Interning } from '../../store/interning/interning.ts';
import { wellKnown } from '../../store/interning/well-known.ts';
import type { EventNid, LineNid, RoomNid, StateKeyNid, StreamPos, UserNid } from '../../store/nids.ts';
import { glimpseOf, type HistoricEvent, type HistoryStateStore } from '../../store/rooms/history-state.ts';
import type { Segments } from '../../store/segments.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import type { StateLog } from '../../store/state/state-log.ts';
import { justBefore } from '../../store/sync/positions.ts';
import type { AuthEvents } from '../input/auth-events.ts';
import { type HistoryVisibility, historyVisibilityOf, maySee } from './history-visibility.ts';

export interface VisibilityStores {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly stateLog: StateLog;
  readonly roomState: RoomStateStore;
  readonly authEvents: AuthEvents;
  readonly historyState: HistoryStateStore;
  readonly segments: Segments;
}

/** Reads the state before an event as far as it decides who may see it; `null`: not known. */
type StateBefore = (key: StateKeyNid) => HistoricEvent | undefined;

/**
 * How far back the memberships of a user who is not in the room are followed to find when the user last was: each
 * step is one change (leave, ban, unban, invite …), and more of them in a row is somebody's game.
 */
const maxMembershipSteps = 64;

/** Decides who may see what of a room's history. */
export class Visibility {
  readonly #stores: VisibilityStores;

  constructor(stores: VisibilityStores) {
    this.#stores = stores;
  }

  /** What one user may see of one room. Made for one request or one room of a sync: it holds what it has looked up. */
  view(room: RoomNid, user: UserNid): RoomView {
    return new RoomView(this.#stores, room, user);
  }
}

/** One user's view of one room as of now. Cheap to make; everything costly is looked up when first asked for. */
export class RoomView {
  readonly room: RoomNid;
  readonly user: UserNid;
  /** The user's membership now; `undefined` for a user who never had one. */
  readonly membership: MembershipName | undefined;
  readonly #stores: VisibilityStores;
  /** The key of the user's member event; `undefined` if no room has one. */
  readonly #memberKey: StateKeyNid | undefined;
  readonly #memberEvent: EventNid | undefined;
  readonly #mainLine: LineNid | undefined;
  /** Where the present join began, for a local user who is in the room. */
  readonly #joinedSince: StreamPos | undefined;
  #leftAt: StreamPos | null | undefined;
  #lastVisibility: { readonly event: EventNid; readonly value: HistoryVisibility } | undefined;

  constructor(stores: VisibilityStores, room: RoomNid, user: UserNid) {
    const { interning, roomState } = stores;
    this.#stores = stores;
    this.room = room;
    this.user = user;
    const member = roomState.member(room, user);
    this.membership = member && membershipName(member.membership);
    this.#memberEvent = member?.event;
    this.#memberKey = interning.findStateKey('m.room.member', interning.userId(user));
    this.#mainLine = roomState.info(room)?.line;
    this.#joinedSince = this.membership === 'join' ? roomState.localMember(user, room)?.pos : undefined;
  }

  /** Whether the user may see the event. `false` for what nobody may: rejected and soft-failed events, outliers. */
  mayRead(row: EventRow): boolean {
    if (!isAccepted(row.flags) && !this.#isGlimpsed(row)) return false;
    if (this.#isSinceJoin(row)) return true;
    const before = this.#stateBefore(row);
    if (before === undefined) return false;
    const joinedLater = this.#joinedAfter(row);
    const visibility = this.#visibilityAt(before);
    const membership = this.#membershipBefore(before);
    if (maySee({ visibility, membership, joinedLater })) return true;
    // Events that change what is asked here count with what they say as well as with what they replace.
    if (row.stateKey === null) return false;
    if (row.stateKey === wellKnown.stateKeys.historyVisibility) {
      return maySee({ visibility: this.#visibilityOf(row.nid), membership, joinedLater });
    }
    if (row.stateKey === this.#memberKey && row.membership !== null) {
      return maySee({ visibility, membership: membershipName(row.membership), joinedLater });
    }
    return false;
  }

  /** Whether the user has been in the room without a break from before this event until now. */
  wasThereSince(row: EventRow): boolean {
    return this.#isSinceJoin(row);
  }

  /** Whether the user might see an event that came just before this one, as far as can be told without it. */
  mayReadBefore(row: EventRow): boolean {
    const before = this.#stateBefore(row);
    if (before === undefined) return false;
    const [visibility, membership] = [this.#visibilityAt(before), this.#membershipBefore(before)];
    return maySee({ visibility, membership, joinedLater: this.#joinedAfter(row) });
  }

  /**
   * The user's membership at the event, with what the event itself changes; `leave` before the first.
   * @see https://spec.matrix.org/v1.19/client-server-api/#definition-clientevent_unsigneddata
   */
  membershipAt(row: EventRow): MembershipName {
    if (row.stateKey !== null && row.stateKey === this.#memberKey && row.membership !== null) {
      return membershipName(row.membership);
    }
    if (this.#isSinceJoin(row)) return 'join';
    const before = this.#stateBefore(row);
    return (before && this.#membershipBefore(before)) ?? 'leave';
  }

  /** Whether anybody may read the room as it is now. */
  get isWorldReadable(): boolean {
    const event = this.#stores.roomState.current(this.room, wellKnown.stateKeys.historyVisibility);
    return event !== undefined && this.#visibilityOf(event) === 'world_readable';
  }

  /**
   * Where a user who is not in the room stopped being in it: the position of the event that ended the last join.
   * `undefined` for a user who is in the room or never was.
   */
  get leftAt(): StreamPos | undefined {
    if (this.membership === 'join' || this.#memberEvent === undefined) return undefined;
    if (this.#leftAt === undefined) this.#leftAt = this.#findLeave(this.#memberEvent) ?? null;
    return this.#leftAt ?? undefined;
  }

  /** The state before the event is one of the main line since the user joined. Answers for most of what is read. */
  #isSinceJoin(row: EventRow): boolean {
    return (
      this.#joinedSince !== undefined &&
      row.line === this.#mainLine &&
      row.linePos !== null &&
      row.linePos >= this.#joinedSince
    );
  }

  #joinedAfter(row: EventRow): boolean {
    if (this.membership === 'join') return true;
    const leftAt = this.leftAt;
    if (leftAt === undefined) return false;
    if (row.pos !== null) return row.pos < leftAt;
    if (row.segment === null) return true;
    // Backfilled events are older than what is live in their segment, and newer than the segments before.
    const begun = this.#stores.segments.get(row.segment)?.fromPos;
    return begun !== undefined && begun <= leftAt;
  }

  /** The state before an event; of one that came by backfill what was followed of it. */
  #stateBefore(row: EventRow): StateBefore | undefined {
    const { stateLog, historyState } = this.#stores;
    const point = pointBefore(row);
    if (point !== undefined) return (key) => stateLog.at(point, key);
    const { segment, idx } = row;
    if (segment === null || idx === null) {
      return this.#isGlimpsed(row) ? (key) => historyState.before(glimpseOf(row.nid), key) : undefined;
    }
    return row.pos === null ? (key) => historyState.before({ segment, idx }, key) : undefined;
  }

  /** Whether it is an event without a place of which it is known all the same who may see it. */
  #isGlimpsed({ nid, flags }: EventRow): boolean {
    if ((flags & (eventFlags.OUTLIER | eventFlags.REJECTED)) !== eventFlags.OUTLIER) return false;
    return this.#stores.historyState.before(glimpseOf(nid), wellKnown.stateKeys.historyVisibility) !== undefined;
  }

  #membershipBefore(before: StateBefore): MembershipName | undefined {
    if (this.#memberKey === undefined) return undefined;
    const event = before(this.#memberKey) ?? 0;
    const code = event === 0 ? null : (this.#stores.events.row(event)?.membership ?? null);
    return code === null ? undefined : membershipName(code);
  }

  /** Where it is not known, it is the narrowest. */
  #visibilityAt(before: StateBefore): HistoryVisibility {
    const event = before(wellKnown.stateKeys.historyVisibility);
    if (event === null) return 'joined';
    return event === undefined || event === 0 ? 'shared' : this.#visibilityOf(event);
  }

  #visibilityOf(event: EventNid): HistoryVisibility {
    if (this.#lastVisibility?.event !== event) {
      this.#lastVisibility = { event, value: historyVisibilityOf(this.#stores.authEvents.get(event).content) };
    }
    return this.#lastVisibility.value;
  }

  /** Follows the member events back to the one that replaced a join. */
  #findLeave(newest: EventNid): StreamPos | undefined {
    const { events, stateLog, roomState } = this.#stores;
    if (this.#memberKey === undefined) return undefined;
    let row = events.row(newest);
    // It happened while we were away: the state is all that tells of it.
    if (row?.pos === null) return this.#leaveInState(roomState.localMember(this.user, this.room)?.pos);
    for (let step = 0; row !== undefined && step < maxMembershipSteps; step++) {
      const before = pointBefore(row);
      const replaced = before && stateLog.at(before, this.#memberKey);
      const older = replaced === undefined ? undefined : events.row(replaced);
      if (older?.membership === memberships.join) return row.pos ?? undefined;
      row = older;
    }
    return undefined;
  }

  /** Where the current state lost the user's join, if that was at `pos`. */
  #leaveInState(pos: StreamPos | undefined): StreamPos | undefined {
    const { events, stateLog } = this.#stores;
    if (pos === undefined || this.#mainLine === undefined || this.#memberKey === undefined) return undefined;
    const before = stateLog.at({ line: this.#mainLine, pos: justBefore(pos) }, this.#memberKey);
    return before !== undefined && events.row(before)?.membership === memberships.join ? pos : undefined;
  }
}
