import type { Presence } from '../../ephemeral/presence.ts';
import { MatrixError } from '../../protocol/errors.ts';
import { openFilter } from '../../protocol/filters/filter.ts';
import type { PushRules } from '../../push/push-rules.ts';
import type { PartialState } from '../../rooms/partial/partial-state.ts';
import type { ClientEvents } from '../../rooms/read/client-events.ts';
import type { RoomMessages } from '../../rooms/read/messages.ts';
import type { Opened, RoomReading } from '../../rooms/read/reading.ts';
import type { Visibility } from '../../rooms/read/visibility.ts';
import type { Database } from '../../store/db.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import { membershipName, memberships } from '../../store/events/membership.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { RoomNid } from '../../store/nids.ts';
import type { LocalMember } from '../../store/state/local-members.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import { streamStart } from '../../store/sync/positions.ts';
import type { AccountDataStore } from '../../store/users/account-data.ts';
import type { Streams } from '../../streams/streams.ts';
import { syncToken } from '../../streams/tokens.ts';
import type { Requester } from '../../users/login/requester.ts';
import type { People } from '../../users/profiles/people.ts';
import type { AccountDataSection } from '../account-data-section.ts';
import type { Turn } from '../turn.ts';
import { oldPresence } from './old-presence.ts';

export interface SnapshotsUses {
  readonly db: Database;
  readonly streams: Streams;
  readonly interning: Interning;
  readonly events: EventStore;
  readonly roomState: RoomStateStore;
  readonly accountDataStore: AccountDataStore;
  readonly visibility: Visibility;
  readonly clientEvents: ClientEvents;
  readonly reading: RoomReading;
  readonly messages: RoomMessages;
  readonly pushRules: PushRules;
  readonly people: Pick<People, 'blocksInvites'>;
  readonly presence: Presence;
  readonly partialState: Pick<PartialState, 'isPartial'>;
  readonly accountData: AccountDataSection;
}

export interface SnapshotWish {
  /** Messages of each room. */
  readonly limit: number;
  /** Whether rooms that the user has left are told of, too. */
  readonly archived: boolean;
}

/** All of a user's rooms, or one room, as it was told before /sync; written piece by piece. */
export class Snapshots {
  readonly #uses: SnapshotsUses;

  constructor(uses: SnapshotsUses) {
    this.#uses = uses;
  }

  /**
   * `{ end, presence, account_data, rooms }` as of one position, which `end` is.
   * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3initialsync
   */
  async all(requester: Requester, wish: SnapshotWish): Promise<Iterable<string>> {
    const { db } = this.#uses;
    // Nobody is shown what a power cut may still take back.
    const unanswered = db.unanswered;
    if (unanswered !== undefined) await unanswered;
    return this.#all(requester, wish);
  }

  *#all(requester: Requester, wish: SnapshotWish): Generator<string> {
    const { streams, presence, accountData } = this.#uses;
    const turn = this.#turn(requester);
    const present = presence
      .events(turn.user, streamStart, turn.now, true)
      .filter(({ user }) => !turn.ignored.has(user))
      .map(oldPresence);
    yield `{"end":"${syncToken(streams.epoch, turn.now)}","presence":[${present.join(',')}]`;
    yield `,"account_data":[${accountData.text(turn)}],"rooms":[`;
    let comma = '';
    for (const member of this.#members(turn, wish)) {
      for (const text of this.#entry(requester, turn, member, wish.limit)) {
        yield comma + text;
        comma = '';
      }
      comma = ',';
    }
    yield ']}';
  }

  /**
   * `{ room_id, membership?, messages, state, visibility, account_data }`: of the room as it is, or as it was when the
   * requester left. 403 M_FORBIDDEN, at once
   * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidinitialsync
   */
  room(requester: Requester, roomId: string, limit: number): Generator<string> {
    return this.#room(requester, this.#uses.reading.open(requester, roomId), limit);
  }

  #members(turn: Turn, { archived }: SnapshotWish): LocalMember[] {
    const { roomState } = this.#uses;
    const { join, invite, leave, ban } = memberships;
    return roomState
      .localRooms(turn.user, archived ? [join, invite, leave, ban] : [join, invite])
      .filter((member) => member.pos <= turn.now && !member.forgotten && !this.#isRefused(turn, member))
      .filter((member) => !this.#isIncomplete(member));
  }

  /** Who wants all members of a room at once is not told of it before they are here. */
  #isIncomplete({ room, membership }: LocalMember): boolean {
    return membership === memberships.join && this.#uses.partialState.isPartial(room);
  }

  #isRefused(turn: Turn, { membership, event }: LocalMember): boolean {
    if (membership !== memberships.invite) return false;
    const sender = this.#uses.events.row(event)?.sender;
    return (sender !== undefined && turn.ignored.has(sender)) || this.#uses.people.blocksInvites(turn.userId);
  }

  *#entry(requester: Requester, turn: Turn, member: LocalMember, limit: number): Generator<string> {
    const { interning, reading, events, clientEvents, visibility } = this.#uses;
    const roomId = interning.roomId(member.room);
    if (member.membership !== memberships.invite) {
      const opened = openable(() => reading.open(requester, roomId, turn.now));
      if (opened !== undefined) {
        yield* this.#room(requester, opened, limit);
        return;
      }
    }
    // An invite, or a room that was never ours to read and that is not wanted any more.
    const row = events.row(member.event);
    const audience = { view: visibility.view(member.room, turn.user), device: turn.device, withRoomId: true };
    yield `{"room_id":${JSON.stringify(roomId)},"membership":"${membershipName(member.membership)}"`;
    if (row !== undefined && member.membership === memberships.invite) {
      yield `,"invite":${clientEvents.text(row, audience)}`;
    }
    yield '}';
  }

  *#room(requester: Requester, opened: Opened, limit: number): Generator<string> {
    const { reading, messages, roomState } = this.#uses;
    const { room, view } = opened;
    yield `{"room_id":${JSON.stringify(room.roomId)}`;
    if (view.membership !== undefined) yield `,"membership":"${view.membership}"`;
    yield `,"visibility":"${roomState.info(room.nid)?.published === true ? 'public' : 'private'}"`;
    yield `,"account_data":[${this.#accountData(requester, room.nid)}],"messages":`;
    yield* messages.newest(requester, opened, limit);
    yield ',"state":';
    yield* reading.stateOf(opened, requester);
    yield '}';
  }

  #accountData({ user }: Requester, room: RoomNid): string {
    return this.#uses.accountDataStore
      .list(user, room)
      .map(({ type, content }) => `{"type":${JSON.stringify(type)},"content":${content}}`)
      .join(',');
  }

  #turn({ user, userId, device }: Requester): Turn {
    const { streams, pushRules } = this.#uses;
    const plain = { filter: openFilter, initial: true, broken: false, fullState: false, stateAfter: false } as const;
    const start = { since: streamStart, toDevice: streamStart, from: streamStart, now: streams.now() };
    return { ...plain, ...start, user, userId, device, stateSection: 'state', ignored: pushRules.of(user).ignored };
  }
}

/** A room may be left or deleted while those before it are written. */
function openable(open: () => Opened): Opened | undefined {
  try {
    return open();
  } catch (error) {
    if (error instanceof MatrixError) return undefined;
    throw error;
  }
}
