import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Presence } from '../../ephemeral/presence.ts';
import type { Typing } from '../../ephemeral/typing.ts';
import { invalidParam } from '../../protocol/errors.ts';
import { openFilter } from '../../protocol/filters/filter.ts';
import type { PushRules } from '../../push/push-rules.ts';
import type { ClientEvents } from '../../rooms/read/client-events.ts';
import type { RoomReading } from '../../rooms/read/reading.ts';
import type { RoomView, Visibility } from '../../rooms/read/visibility.ts';
import type { Database } from '../../store/db.ts';
import type { ReceiptStore } from '../../store/ephemeral/receipts.ts';
import type { EventRow } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import { memberships } from '../../store/events/membership.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { RoomNid, StreamPos } from '../../store/nids.ts';
import type { LocalMember } from '../../store/state/local-members.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import { noRoom, type SyncChanges } from '../../store/sync/changes.ts';
import { justBefore, positionOfIndex, spanEnd } from '../../store/sync/positions.ts';
import type { Timeline } from '../../store/timeline.ts';
import type { AccountDataStore } from '../../store/users/account-data.ts';
import type { Notifier } from '../../streams/notifier.ts';
import type { Streams } from '../../streams/streams.ts';
import { parseToken, syncToken, tokenAge } from '../../streams/tokens.ts';
import type { Requester } from '../../users/login/requester.ts';
import type { People } from '../../users/profiles/people.ts';
import { type Millis, millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import type { AccountDataSection } from '../account-data-section.ts';
import type { RoomEphemeral } from '../room-ephemeral.ts';
import type { Turn } from '../turn.ts';
import { oldPresence } from './old-presence.ts';

export interface EventStreamUses {
  readonly db: Database;
  readonly streams: Streams;
  readonly notifier: Notifier;
  readonly clock: Clock;
  readonly interning: Interning;
  readonly events: EventStore;
  readonly timeline: Timeline;
  readonly roomState: RoomStateStore;
  readonly changes: SyncChanges;
  readonly receipts: ReceiptStore;
  readonly accountDataStore: AccountDataStore;
  readonly visibility: Visibility;
  readonly clientEvents: ClientEvents;
  readonly reading: RoomReading;
  readonly pushRules: PushRules;
  readonly people: Pick<People, 'blocksInvites'>;
  readonly typing: Typing;
  readonly presence: Presence;
  readonly ephemeral: RoomEphemeral;
  readonly accountData: AccountDataSection;
}

export interface StreamWish {
  readonly requester: Requester;
  /** A token of either form; without it only what happens from now on. */
  readonly from: string | undefined;
  /** Only what happens in this room, whether the requester is in it or may just read it. */
  readonly roomId: string | undefined;
  readonly timeout: Millis;
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
}

/** Longer than any client asks to wait; a bound on what one call may hold. */
const longestWait = 5 * 60_000;
/** Positions looked at in one go: some milliseconds, however much of it is for others. */
const span = 2000;
/** Such goes for one answer: whoever was away for long is led on by the token. */
const maxSpans = 20;
/** Events in one answer. */
const maxEvents = 100;
/** Events written at a time. */
const piece = 20;

/** Something that happened: its place, and how it is told. */
interface Item {
  readonly pos: StreamPos;
  readonly text: () => string;
}

interface Batch {
  readonly upTo: StreamPos;
  readonly items: readonly Item[];
}

/**
 * The stream of events as it was before /sync: everything one after the other, with the room's ID in it. What a user who
 * is in a room may see of it; with a room ID also what anybody may see of a world-readable room.
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3events
 */
export class EventStream {
  readonly #uses: EventStreamUses;

  constructor(uses: EventStreamUses) {
    this.#uses = uses;
  }

  /**
   * Answers `{ start, end, chunk }` in pieces, at once if there is anything to tell, else when there is or the time is
   * over. 400 M_INVALID_PARAM `from` · 403 M_FORBIDDEN a room that the requester may not read
   */
  async follow({ requester, from, roomId, timeout, signal }: StreamWish): Promise<Iterable<string>> {
    const { db, streams, notifier, clock, reading } = this.#uses;
    const start = this.#start(from);
    const room = roomId === undefined ? undefined : reading.open(requester, roomId).room.nid;
    const deadline = clock.monotonic() + Math.min(timeout, longestWait);
    const answer = (batch: Batch) => this.#pieces(from ?? syncToken(streams.epoch, start), batch);
    let at = start;
    let spans = 0;
    while (true) {
      // Nobody is shown what a power cut may still take back.
      const unanswered = db.unanswered;
      if (unanswered !== undefined) await unanswered;
      const now = streams.now();
      const batch = db.read<Batch>(() => this.#batch(requester, at, now, room));
      if (batch.items.length > 0 || ++spans >= maxSpans) return answer(batch);
      at = batch.upTo;
      if (at < now) {
        await nextTurn();
        continue;
      }
      const left = deadline - clock.monotonic();
      const reason =
        left <= 0 ? 'timeout' : await notifier.wait(requester.user, now, millis(Math.ceil(left)), signal, room);
      if (reason !== 'touched') return answer(batch);
      spans = 0;
    }
  }

  #start(from: string | undefined): StreamPos {
    const { streams } = this.#uses;
    const now = streams.now();
    if (from === undefined || from === '') return now;
    const token = parseToken(from);
    if (token === undefined || tokenAge(token, streams.epoch) !== 'current') throw badToken();
    if (token.kind === 'page') return positionOfIndex(token.idx, now);
    if (token.pos > now) throw badToken();
    return token.pos;
  }

  *#pieces(start: string, { upTo, items }: Batch): Generator<string> {
    const end = syncToken(this.#uses.streams.epoch, upTo);
    yield `{"start":${JSON.stringify(start)},"end":"${end}","chunk":[`;
    for (let at = 0; at < items.length; at += piece) {
      const part = items.slice(at, at + piece);
      yield (at === 0 ? '' : ',') + this.#uses.db.read<string>(() => part.map(({ text }) => text()).join(','));
    }
    yield ']}';
  }

  /** What happened in (from, upTo], where `upTo` is as far as one look goes. */
  #batch(requester: Requester, from: StreamPos, now: StreamPos, only: RoomNid | undefined): Batch {
    let upTo = spanEnd(from, span, now);
    const found: Item[] = [];
    const rooms = new WatchedRooms(this.#uses, requester, only);
    for (const { pos, room, event } of this.#uses.timeline.stream(from, upTo, span)) {
      if (found.length >= maxEvents) {
        upTo = justBefore(pos);
        break;
      }
      const view = rooms.view(room);
      const row = view && this.#uses.events.row(event);
      // A state event without a place is what is left of a history that was deleted.
      if (view === undefined || row === undefined || row.segment === null || !rooms.isWanted(row, view)) continue;
      found.push({ pos, text: () => this.#eventText(row, view, requester) });
    }
    const turn = this.#turn(requester, from, upTo);
    const items = [...found, ...this.#invites(turn, rooms), ...this.#others(turn, rooms)];
    return { upTo, items: items.sort((a, b) => a.pos - b.pos) };
  }

  /** Memberships of rooms that are not ours: their events are in no order. */
  *#invites(turn: Turn, rooms: WatchedRooms): Generator<Item> {
    const { roomState, events, visibility } = this.#uses;
    if (rooms.only !== undefined) return;
    for (const member of roomState.localChanges(turn.user, turn.from, turn.now)) {
      const row = events.row(member.event);
      if (row?.pos !== null || member.forgotten || rooms.isRefused(row)) continue;
      const view = visibility.view(member.room, turn.user);
      yield { pos: member.pos, text: () => this.#eventText(row, view, turn) };
    }
  }

  /** What is no event of a room's history. */
  *#others(turn: Turn, rooms: WatchedRooms): Generator<Item> {
    const { ephemeral, presence, interning, accountData } = this.#uses;
    const told = (text: string): Item => ({ pos: turn.now, text: () => text });
    for (const room of this.#ephemeralRooms(turn)) {
      if (!rooms.isJoined(room)) continue;
      const text = ephemeral.text(turn, room, false, `"room_id":${JSON.stringify(interning.roomId(room))},`);
      if (text !== '') yield told(text);
    }
    if (rooms.only !== undefined) return;
    for (const event of presence.events(turn.user, turn.from, turn.now, false)) {
      if (!turn.ignored.has(event.user)) yield told(oldPresence(event));
    }
    const global = accountData.text(turn);
    if (global !== '') yield told(global);
    for (const text of this.#roomAccountData(turn)) yield told(text);
  }

  #ephemeralRooms({ from, now }: Turn): Set<RoomNid> {
    const { typing, receipts } = this.#uses;
    return new Set([...typing.roomsChanged(from, now), ...receipts.roomsChanged(from, now)]);
  }

  *#roomAccountData({ user, from, now }: Turn): Generator<string> {
    const { changes, accountDataStore, interning } = this.#uses;
    for (const room of new Set(changes.accountDataRooms(user, from, now))) {
      if (room === noRoom) continue;
      const roomId = JSON.stringify(interning.roomId(room));
      for (const { type, content } of accountDataStore.changed(user, room, from, now)) {
        yield `{"type":${JSON.stringify(type)},"room_id":${roomId},"content":${content}}`;
      }
    }
  }

  #eventText(row: EventRow, view: RoomView, { device }: Pick<Requester, 'device'>): string {
    return this.#uses.clientEvents.text(row, { view, device, withRoomId: true });
  }

  #turn({ user, userId, device }: Requester, from: StreamPos, now: StreamPos): Turn {
    const { ignored } = this.#uses.pushRules.of(user);
    const plain = { filter: openFilter, initial: false, broken: false, fullState: false, stateAfter: false } as const;
    return { ...plain, user, userId, device, since: from, toDevice: from, from, now, stateSection: 'state', ignored };
  }
}

/** The rooms that one look is about, as the requester sees them; each is looked at once. */
class WatchedRooms {
  readonly only: RoomNid | undefined;
  readonly #uses: EventStreamUses;
  readonly #requester: Requester;
  readonly #ignored: ReadonlySet<number>;
  readonly #views = new Map<RoomNid, RoomView | undefined>();
  readonly #members = new Map<RoomNid, LocalMember | undefined>();

  constructor(uses: EventStreamUses, requester: Requester, only: RoomNid | undefined) {
    this.#uses = uses;
    this.#requester = requester;
    this.only = only;
    this.#ignored = uses.pushRules.of(requester.user).ignored;
  }

  /** `undefined` for a room that is nothing to the requester. */
  view(room: RoomNid): RoomView | undefined {
    if (this.#views.has(room)) return this.#views.get(room);
    const member = this.#member(room);
    const isMine = member !== undefined && !member.forgotten;
    const isWatched = this.only === undefined ? isMine : room === this.only;
    const view = isWatched ? this.#uses.visibility.view(room, this.#requester.user) : undefined;
    this.#views.set(room, view);
    return view;
  }

  isJoined(room: RoomNid): boolean {
    if (this.only !== undefined && room !== this.only) return false;
    return this.#member(room)?.membership === memberships.join;
  }

  /** Whether the event is told of: the requester's own memberships, and what happens while the requester is in the room. */
  isWanted(row: EventRow, view: RoomView): boolean {
    if (this.#isOwn(row)) return !this.isRefused(row);
    if (row.stateKey === null && this.#ignored.has(row.sender)) return false;
    if (this.only === undefined && view.membershipAt(row) !== 'join') return false;
    return view.mayRead(row);
  }

  /** An invite from somebody whom the user ignores, or while the user wants none. */
  isRefused(row: EventRow): boolean {
    if (row.membership !== memberships.invite) return false;
    return this.#ignored.has(row.sender) || this.#uses.people.blocksInvites(this.#requester.userId);
  }

  #isOwn({ stateKey, membership }: EventRow): boolean {
    if (stateKey === null || membership === null) return false;
    return stateKey === this.#uses.interning.findStateKey('m.room.member', this.#requester.userId);
  }

  #member(room: RoomNid): LocalMember | undefined {
    if (!this.#members.has(room)) {
      this.#members.set(room, this.#uses.roomState.localMember(this.#requester.user, room));
    }
    return this.#members.get(room);
  }
}

const badToken = () => invalidParam('from is no token of this server');
