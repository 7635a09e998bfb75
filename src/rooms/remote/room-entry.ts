import { setImmediate as nextTurn } from 'node:timers/promises';
import type { BuiltEvent } from '../../protocol/events/build.ts';
import { refIds } from '../../protocol/events/pdu.ts';
import { withoutSignatures } from '../../protocol/events/without-signatures.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import { JsonCutError } from '../../protocol/json-stream/json-cutter.ts';
import type { Database } from '../../store/db.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Extremities } from '../../store/events/extremities.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { EventNid } from '../../store/nids.ts';
import type { PartialRooms } from '../../store/rooms/partial-rooms.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import type { ImportCounts, RoomImport, StateImports } from '../../store/state/state-import.ts';
import type { Timeline } from '../../store/timeline.ts';
import type { Streams } from '../../streams/streams.ts';
import { millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import type { RoomInput } from '../input/input.ts';
import type { KnownRooms } from '../known-rooms.ts';
import type { EntryGuard } from '../limits/room-limits.ts';
import { Watchdog } from '../partial/watchdog.ts';
import type { AuthJudge, VersionedRoom } from '../receive/auth-judge.ts';
import type { EventVerifier } from '../receive/verify.ts';
import { type AnswerSpool, type AnswerSpools, BadAnswer, joinParts, type SpooledAnswer } from './answer-spool.ts';
import type { StateTakeover } from './state-takeover.ts';

export interface RoomEntryUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly events: EventStore;
  readonly extremities: Extremities;
  readonly timeline: Timeline;
  readonly roomState: RoomStateStore;
  readonly stateImports: StateImports;
  readonly partialRooms: PartialRooms;
  readonly clock: Clock;
  readonly answerSpools: AnswerSpools;
  readonly streams: Streams;
  readonly rooms: KnownRooms;
  readonly input: RoomInput;
  readonly judge: AuthJudge;
  readonly verifier: EventVerifier;
  readonly takeover: StateTakeover;
}

interface Given {
  readonly spool: AnswerSpool;
  readonly guard: EntryGuard;
  /** Of a room that is entered with a part of its state: who can tell the rest. */
  readonly rest: readonly ServerName[] | undefined;
}

/** What is left to be done for a room after it was entered. */
export interface RestOfRoom extends AsyncDisposable {
  /** The answer, if the members are in it: verified or not. */
  readonly spool: AnswerSpool | undefined;
  readonly guard: EntryGuard;
}

export interface EntryOptions {
  readonly signal: AbortSignal;
  /** Says when there is more of the room than is allowed. */
  readonly guard: EntryGuard;
  /** Who is in the room, the one that answers first. */
  readonly servers: readonly ServerName[];
}

/** State events that are verified while somebody waits: a second's work. With more, members come later. */
const verifiedAtOnce = 500;
/** For the answer of one server, so that there is time for another one. */
const longestReading = millis(15 * 60_000);
/** Events of one answer. The largest rooms there are have a third of a million in state and auth chains. */
const maxEvents = 1_000_000;

/**
 * Enters a room with the answer to a join: reads it as it comes, checks it, and opens the room with one last write that
 * holds the join. Up to then nobody sees anything of it, and what fails leaves nothing behind.
 */
export class RoomEntry {
  readonly #uses: RoomEntryUses;

  constructor(uses: RoomEntryUses) {
    this.#uses = uses;
  }

  /**
   * In the room's lane, while none of our users is in the room. Answers what is left to be done if members are missing:
   * the caller hands it on, or disposes of it. Throws `BadAnswer` for an answer by which the room
   * cannot be entered, and what the guard throws.
   * @see https://spec.matrix.org/v1.19/server-server-api/#joining-rooms
   */
  async enter(
    room: VersionedRoom,
    own: BuiltEvent,
    body: AsyncIterable<Buffer>,
    { signal, guard, servers }: EntryOptions,
  ): Promise<RestOfRoom | undefined> {
    const { answerSpools, takeover } = this.#uses;
    await using stack = new AsyncDisposableStack();
    const spool = stack.use(answerSpools.create());
    const { members, stateEvents } = await this.#read(spool, room, own, body, { signal, guard });
    const isShort = members.get('members_omitted') === true;
    const isLong = !isShort && stateEvents > verifiedAtOnce;
    if (isLong) await this.#urge(own, spool);
    const join = await this.#signedByAll(own, members.get('event'), room, signal);
    const { begun, isAnew, ended } = await takeover.begin(room.nid);
    try {
      await takeover.store(room, spool, { begun, mayBeStored: isAnew, onlyUrgent: isLong, signal });
      await this.#authorise(room, join, spool);
      await this.#open(room, begun, join, { spool, guard, rest: isShort || isLong ? servers : undefined });
    } catch (error) {
      await takeover.discard(room.nid);
      throw error;
    } finally {
      ended();
    }
    if (!isLong) return isShort ? restOfRoom(undefined, guard) : undefined;
    stack.move();
    return restOfRoom(spool, guard);
  }

  /** All of the answer, if it comes with a certain speed: who draws it out is not waited for. */
  async #read(
    spool: AnswerSpool,
    room: VersionedRoom,
    own: BuiltEvent,
    body: AsyncIterable<Buffer>,
    { signal, guard }: Pick<EntryOptions, 'signal' | 'guard'>,
  ): Promise<SpooledAnswer> {
    const slow = new AbortController();
    using watchdog = new Watchdog(this.#uses.clock, () => slow.abort(), longestReading);
    return await spool.read(watchdog.watched(body), {
      roomId: room.roomId,
      rules: room.rules,
      parts: joinParts,
      servers: 'servers_in_room',
      members: ['event', 'members_omitted'],
      maxEvents,
      signal: AbortSignal.any([signal, slow.signal]),
      guard,
      without: own.eventId,
    });
  }

  /** What the join rests on comes before thousands of members. */
  async #urge({ pdu }: BuiltEvent, spool: AnswerSpool): Promise<void> {
    const own = await spool.entry('m.room.member', pdu.sender);
    await spool.urge([...refIds(pdu.auth_events), ...(own === undefined ? [] : [own.eventId])]);
  }

  /**
   * The join as it will be sent on. If a server vouches for it, its signature is what the answer brings; else what we
   * have signed is all that is needed.
   */
  async #signedByAll(
    own: BuiltEvent,
    returned: unknown,
    { rules }: VersionedRoom,
    signal: AbortSignal,
  ): Promise<BuiltEvent> {
    if (own.pdu.content['join_authorised_via_users_server'] === undefined) return own;
    const { events } = await this.#uses.verifier.verify([returned], rules, signal);
    const [event] = events;
    if (event === undefined || withoutSignatures(event.pdu, rules) !== withoutSignatures(own.pdu, rules)) {
      throw new BadAnswer('nobody has vouched for the join with a signature');
    }
    return event;
  }

  /** By its own auth events and by the state, both as they came. */
  async #authorise(room: VersionedRoom, join: BuiltEvent, spool: AnswerSpool): Promise<void> {
    const { db, interning, judge, takeover } = this.#uses;
    const { type, state_key: stateKey, sender, content } = join.pdu;
    const selectable = { type, sender, content, ...(stateKey === undefined ? {} : { stateKey }) };
    const state = await takeover.lookup(spool, selectable, room.rules);
    db.write<void>(() => {
      if (judge.missing(room, join).length > 0) throw new BadAnswer('what authorises the join is not in it');
      const event = judge.asAuthEvent(join, interning.event(join.eventId));
      const byOwn = judge.byAuthEvents(room, event);
      if (!byOwn.allowed) throw new BadAnswer(`its auth events do not allow the join: ${byOwn.reason}`);
      const byState = judge.inState(room.rules, event, state);
      if (!byState.allowed) throw new BadAnswer(`its state does not allow the join: ${byState.reason}`);
    });
  }

  async #open(room: VersionedRoom, begun: RoomImport, join: BuiltEvent, given: Given): Promise<void> {
    const { spool, guard, rest } = given;
    const { db, rooms, roomState, takeover } = this.#uses;
    const wasKnown = roomState.info(room.nid) !== undefined;
    const show = rooms.hide(room.nid);
    try {
      if (wasKnown) await this.#clearOld(begun);
      const counts = await takeover.write(begun, spool, guard);
      if (rest !== undefined) await takeover.tell(begun, spool, counts, guard);
      await db.durable<void>(() => {
        this.#commit(room, begun, join, counts);
        if (rest !== undefined) this.#beginFilling(begun, join, rest);
      });
      if (rest === undefined) guard.complete(counts.states);
    } finally {
      show();
    }
  }

  /** What was the room's state when we left it; none of it is taken for granted. */
  async #clearOld(begun: RoomImport): Promise<void> {
    const { db, stateImports } = this.#uses;
    db.write<void>(() => void stateImports.replace(begun));
    while (db.write(() => stateImports.clearSome(begun))) await nextTurn();
  }

  #commit(room: VersionedRoom, begun: RoomImport, join: BuiltEvent, counts: ImportCounts): void {
    const { interning, stateImports, streams, input, judge, roomState, extremities } = this.#uses;
    const pos = streams.next();
    const before = roomState.info(room.nid)?.segment;
    for (const user of stateImports.open(begun, room.rules.version, pos, counts)) streams.touchUser(user);
    const nid = interning.event(join.eventId);
    const prevEvents = refIds(join.pdu.prev_events).map((id) => interning.event(id));
    const missing = prevEvents.filter((parent) => this.#segmentOf(parent) === undefined);
    input.commit({
      room: room.nid,
      rules: room.rules,
      event: join,
      nid,
      outcome: 'accepted',
      before: roomState.tip(room.nid),
      prevEvents,
      authEvents: judge.cited(room, join),
      changes: [{ key: interning.stateKey(join.pdu.type, join.pdu.state_key ?? ''), event: nid }],
      pos,
    });
    for (const parent of missing) extremities.addBackward(room.nid, parent, nid);
    if (missing.length === 0) this.#linkTo(room, prevEvents, before);
  }

  #beginFilling({ room, line, base }: RoomImport, { eventId, pdu }: BuiltEvent, servers: readonly ServerName[]): void {
    const { partialRooms, interning, clock } = this.#uses;
    const joinEvent = interning.event(eventId);
    const user = interning.user(pdu.sender);
    partialRooms.begin({ room, line, base, joinEvent, user, servers, since: clock.now() });
  }

  /** Nothing has happened since we left: the new segment goes on where the old one ends. */
  #linkTo({ nid }: VersionedRoom, prevEvents: readonly EventNid[], before: number | undefined): void {
    const { timeline, roomState } = this.#uses;
    const segment = roomState.info(nid)?.segment;
    const isEnd = prevEvents.every((parent) => this.#segmentOf(parent) === before);
    if (before !== undefined && segment !== undefined && isEnd) timeline.link(segment, before);
  }

  #segmentOf(event: EventNid): number | undefined {
    return this.#uses.events.row(event)?.segment ?? undefined;
  }
}

function restOfRoom(spool: AnswerSpool | undefined, guard: EntryGuard): RestOfRoom {
  return { spool, guard, [Symbol.asyncDispose]: async () => spool?.[Symbol.asyncDispose]() };
}

/** Whether it was the other server that made it fail. */
export function isTheirFault(error: unknown): error is Error {
  return error instanceof BadAnswer || error instanceof JsonCutError;
}
