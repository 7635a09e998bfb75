import type { Typing } from '../ephemeral/typing.ts';
import type { PartialState } from '../rooms/partial/partial-state.ts';
import type { ReceiptStore } from '../store/ephemeral/receipts.ts';
import { memberships } from '../store/events/membership.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { RoomNid } from '../store/nids.ts';
import type { PushCountStore } from '../store/push/push-counts.ts';
import type { LocalMember } from '../store/state/local-members.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';
import { noRoom, type SyncChanges } from '../store/sync/changes.ts';
import type { Turn } from './turn.ts';

/** Up to so many positions the stream itself is read; over a longer stretch each of the user's rooms is looked at. */
const shortStretch = 2000;

/** The rooms of one answer, each with the user's membership. */
export interface TurnRooms {
  readonly join: LocalMember[];
  readonly invite: LocalMember[];
  readonly knock: LocalMember[];
  readonly leave: LocalMember[];
  /** The same as `join` whatever the client's filter says. */
  readonly joined: readonly LocalMember[];
  /** Whether global account data changed. */
  readonly accountData: boolean;
}

export interface ChangedRoomsUses {
  readonly changes: SyncChanges;
  readonly receipts: ReceiptStore;
  readonly pushCounts: PushCountStore;
  readonly roomState: RoomStateStore;
  readonly typing: Typing;
  readonly partialState: Pick<PartialState, 'isPartial' | 'completedBetween'>;
  readonly interning: Interning;
}

/**
 * Finds the rooms that have something for a user, at a cost that depends on what happened, not on how many rooms or
 * members there are. It may name a room in which nothing turns out to be for the user.
 */
export class ChangedRooms {
  readonly #uses: ChangedRoomsUses;

  constructor(uses: ChangedRoomsUses) {
    this.#uses = uses;
  }

  of(turn: Turn): TurnRooms {
    const rooms: TurnRooms = turn.initial ? this.#all(turn) : this.#changed(turn);
    return turn.filter.room.rooms.any ? rooms : this.#chosen(turn, rooms);
  }

  #all(turn: Turn): TurnRooms {
    const { user, now, filter } = turn;
    const rooms = newRooms(true);
    const { join, invite, knock, leave, ban } = memberships;
    const codes = filter.room.includeLeave ? [join, invite, knock, leave, ban] : [join, invite, knock];
    for (const member of this.#uses.roomState.localRooms(user, codes)) {
      if (member.pos <= now && !member.forgotten) listOf(rooms, member).push(member);
    }
    this.#hidePartial(turn, rooms.join);
    return rooms;
  }

  #changed(turn: Turn): TurnRooms {
    const { changes, roomState } = this.#uses;
    const accountRooms = changes.accountDataRooms(turn.user, turn.from, turn.now);
    const rooms = newRooms(accountRooms.includes(noRoom));
    const seen = new Set<RoomNid>();
    for (const member of roomState.localChanges(turn.user, turn.from, turn.now)) {
      seen.add(member.room);
      if (!member.forgotten) listOf(rooms, member).push(member);
    }
    const candidates = turn.fullState ? this.#joined(turn) : this.#candidates(turn, accountRooms);
    for (const room of candidates) {
      if (seen.has(room)) continue;
      seen.add(room);
      const member = roomState.localMember(turn.user, room);
      if (member?.membership === memberships.join && member.pos <= turn.now) rooms.join.push(member);
    }
    this.#hidePartial(turn, rooms.join);
    return rooms;
  }

  /** Who wants all members of a room at once is told of it when they are here (MSC3902). */
  #hidePartial({ filter }: Turn, joined: LocalMember[]): void {
    if (filter.room.state.lazyLoadMembers) return;
    const { partialState } = this.#uses;
    for (let at = joined.length - 1; at >= 0; at--) {
      const member = joined[at];
      if (member !== undefined && partialState.isPartial(member.room)) joined.splice(at, 1);
    }
  }

  #joined({ user }: Turn): RoomNid[] {
    return this.#uses.roomState.localRooms(user, [memberships.join]).map(({ room }) => room);
  }

  *#candidates(turn: Turn, accountRooms: readonly RoomNid[]): Generator<RoomNid> {
    const { changes, receipts, pushCounts, typing, partialState } = this.#uses;
    const { user, from, now } = turn;
    if (now - from <= shortStretch) {
      yield* changes.eventRooms(from, now);
      yield* receipts.roomsChanged(from, now);
    } else {
      yield* changes.roomsBehind(user, from);
    }
    yield* typing.roomsChanged(from, now);
    yield* accountRooms;
    yield* pushCounts.roomsChanged(user, from);
    yield* partialState.completedBetween(from, now);
  }

  #chosen({ filter }: Turn, rooms: TurnRooms): TurnRooms {
    const chosen = (members: LocalMember[]) =>
      members.filter(({ room }) => filter.room.rooms.allows(this.#uses.interning.roomId(room)));
    return {
      join: chosen(rooms.join),
      invite: chosen(rooms.invite),
      knock: chosen(rooms.knock),
      leave: chosen(rooms.leave),
      joined: rooms.join,
      accountData: rooms.accountData,
    };
  }
}

function newRooms(accountData: boolean): TurnRooms {
  const join: LocalMember[] = [];
  return { join, invite: [], knock: [], leave: [], joined: join, accountData };
}

function listOf(rooms: TurnRooms, { membership }: LocalMember): LocalMember[] {
  switch (membership) {
    case memberships.join:
      return rooms.join;
    case memberships.invite:
      return rooms.invite;
    case memberships.knock:
      return rooms.knock;
    default:
      return rooms.leave;
  }
}
