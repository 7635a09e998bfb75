import { setImmediate as nextTurn } from 'node:timers/promises';
import { limitExceeded } from '../../protocol/errors.ts';
import { readEvent } from '../../protocol/events/read.ts';
import type { EventId, ServerName } from '../../protocol/ids/types.ts';
import { serverOf } from '../../protocol/ids/user-id.ts';
import type { Database } from '../../store/db.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { RoomNid, StatePoint } from '../../store/nids.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import { millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import { isDiskFull } from '../../util/disk-full.ts';
import { isJsonObject } from '../../util/json.ts';
import { KeyedQueue } from '../../util/keyed-queue.ts';
import type { Log } from '../../util/log.ts';
import { Lru } from '../../util/lru.ts';
import type { RoomInput } from '../input/input.ts';
import type { KnownRoom, KnownRooms } from '../known-rooms.ts';
import type { PolicyCheck } from '../send/policy-check.ts';
import type { ServerAccess } from '../server-access.ts';
import type { Resolutions } from '../state/resolutions.ts';
import { LargeConflict } from '../state/state-engine.ts';
import { type Completion, serversToAsk } from './completion.ts';
import type { Deferred, Unresolved } from './deferred.ts';
import { Effort } from './effort.ts';
import { errorOf, type Fate, type Lacking } from './fate.ts';
import type { Circumstances, Judging } from './judging.ts';
import type { OutsideRooms } from './outside-rooms.ts';
import type { Revisiting } from './revisiting.ts';
import { byCitation } from './topology.ts';
import type { EventVerifier, VerifiedEvent } from './verify.ts';

export interface ReceiverUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly roomState: RoomStateStore;
  readonly knownRooms: KnownRooms;
  readonly serverAccess: ServerAccess;
  readonly verifier: EventVerifier;
  readonly judging: Judging;
  readonly input: Pick<RoomInput, 'together'>;
  readonly resolutions: Pick<Resolutions, 'prepare'>;
  readonly policy: PolicyCheck;
  readonly completion: Completion;
  readonly deferred: Deferred;
  readonly revisiting: Revisiting;
  readonly outsideRooms: OutsideRooms;
  readonly clock: Clock;
  readonly log: Log;
  readonly serverName: ServerName;
  /** What waits for a room that is just being entered; `undefined` for any other. */
  readonly whenEntered: (roomId: string) => Promise<void> | undefined;
}

/** What became of one event that a server handed in. */
export type Accepted = Fate;

/** Waiting or running for one room: each holds a transaction's events at most. */
const longestLane = 1000;
const longestFetchLane = 50;
/** Judged in one database transaction: some milliseconds of the main thread. */
const judgedAtOnce = 50;
/** Large conflicts resolved for the sake of so many events: each takes up to some seconds of a worker thread. */
const mostConflicts = 5;
/** Rounds of fetching what lacks and judging again. */
const mostRounds = 40;
/** A server whose events could not be completed does not make the room wait again so soon. */
const shunnedFor = 60_000;
/** Servers in rooms that are remembered for that. */
const mostShunned = 512;

const disagreement = 'The states that it follows disagree on too much';

interface Judged {
  readonly fates: Map<EventId, Fate>;
  readonly lacking: Map<EventId, Lacking>;
  /** Of those that are dropped unless they are kept for later: the states that they follow could not be resolved now. */
  readonly unresolved: Map<EventId, Unresolved>;
}

/**
 * Takes events of other servers into rooms. What needs nothing from elsewhere is decided at once, a transaction's events
 * of a room in one write; the rest waits, without holding up others, until what it cites is fetched, or is deferred.
 * @see https://spec.matrix.org/v1.19/server-server-api/#checks-performed-on-receipt-of-a-pdu
 */
export class Receiver {
  /** Whoever changes a room's history or takes over its state runs in the room's lane. */
  readonly lanes = new KeyedQueue<RoomNid>(longestLane);
  readonly #fetching = new KeyedQueue<RoomNid>(longestFetchLane);
  /** Until when (monotonic) events of a server in a room are not completed at once. */
  readonly #shunned = new Lru<string, number>(mostShunned);
  readonly #stopping = new AbortController();
  readonly #uses: ReceiverUses;

  constructor(uses: ReceiverUses) {
    this.#uses = uses;
  }

  /** Begins to try deferred events again. */
  start(): void {
    this.#uses.deferred.start((room, origin, events) => this.#tryAgain(room, origin, events));
  }

  /** Ends what is being fetched; events that waited for it are deferred. Resolves when that is written down. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#uses.deferred.stop();
    while (!this.#fetching.isIdle) await nextTurn();
  }

  /**
   * Events of any rooms as `parseExactJson` read them, at most a transaction's worth. Answers for each event whose ID
   * can be told what the sender is to know: an error, or that it need not send it again.
   */
  async receive(
    origin: ServerName,
    pdus: readonly unknown[],
    signal?: AbortSignal,
  ): Promise<Map<string, { error?: string }>> {
    const results = new Map<string, { error?: string }>();
    const rooms = Map.groupBy(pdus, (pdu) => roomIdIn(pdu));
    await Promise.all([...rooms].map(([roomId, values]) => this.#receiveIn(origin, roomId, values, results, signal)));
    return results;
  }

  /**
   * One event that another server hands in by a handshake which we answer: all checks, and it is passed on to the
   * others in the room. It is never deferred.
   */
  async accept(origin: ServerName, room: KnownRoom, event: VerifiedEvent, flags = 0): Promise<Accepted> {
    const fates = await this.#process(origin, room, [event], { flags }, false);
    return fates.get(event.eventId) ?? { outcome: 'dropped', reason: 'What the event cites cannot be had' };
  }

  /**
   * In the room's lane: the members that a partial room lacked are here. What was decided about its events meanwhile is
   * gone through again, in slices; more may have come when this resolves, unless the caller looks in the same turn.
   */
  async revisit(room: KnownRoom): Promise<void> {
    const { revisiting } = this.#uses;
    revisiting.begin(room);
    while (revisiting.some(room)) await nextTurn();
  }

  /** Events that waited for such a room to be complete are tried again at once. */
  retryDeferred(room: RoomNid): void {
    this.#uses.deferred.hurry(room);
  }

  async #receiveIn(
    origin: ServerName,
    roomId: string | undefined,
    values: readonly unknown[],
    results: Map<string, { error?: string }>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const entered = roomId === undefined ? undefined : this.#uses.whenEntered(roomId);
    if (entered !== undefined) await entered;
    const room = roomId === undefined ? undefined : this.#uses.knownRooms.find(roomId);
    if (room === undefined || !this.#uses.serverAccess.isInRoom(room.nid, this.#uses.serverName)) {
      const fates = await this.#uses.outsideRooms.receive(roomId, values, signal);
      for (const [id, fate] of fates) results.set(id, errorOf(fate));
      return;
    }
    if (!this.#uses.serverAccess.aclAllows(room.nid, origin)) {
      for (const value of values) {
        const read = readEvent(value, room.rules);
        if (read.ok) results.set(read.event.eventId, { error: 'Your server is not allowed in this room' });
      }
      return;
    }
    const { events, problems } = await this.#uses.verifier.verify(values, room.rules, signal);
    for (const { eventId, reason } of problems) if (eventId !== undefined) results.set(eventId, { error: reason });
    const fates = await this.#process(origin, room, events, {}, true);
    // Of what was fetched besides, the sender need not hear.
    for (const { eventId } of events) {
      const fate = fates.get(eventId);
      if (fate !== undefined) results.set(eventId, errorOf(fate));
    }
  }

  /** Judges what can be judged, and fetches what the rest lacks. */
  async #process(
    origin: ServerName,
    room: KnownRoom,
    events: readonly VerifiedEvent[],
    circumstances: Circumstances,
    mayDefer: boolean,
  ): Promise<Map<EventId, Fate>> {
    const judged = await this.#inLane(origin, room, events, circumstances);
    if (judged.lacking.size > 0) {
      const left = events.filter(({ eventId }) => judged.lacking.has(eventId));
      const work = () => this.#complete(origin, room, left, circumstances, judged);
      const place = `${room.nid} ${origin}`;
      const isShunned = mayDefer && (this.#shunned.get(place) ?? 0) > this.#uses.clock.monotonic();
      if (!isShunned) await this.#fetching.run(room.nid, work);
      if (judged.lacking.size > 0) this.#shunned.set(place, this.#uses.clock.monotonic() + shunnedFor);
      if (mayDefer) this.#defer(origin, room, left, judged);
    }
    if (mayDefer && judged.unresolved.size > 0) this.#deferUnresolved(origin, room, events, judged);
    await this.#judgeReady(origin, room, judged.fates);
    return judged.fates;
  }

  /** Fetches and judges in turn until everything is decided or nothing more can be had. */
  async #complete(
    origin: ServerName,
    room: KnownRoom,
    events: readonly VerifiedEvent[],
    circumstances: Circumstances,
    judged: Judged,
  ): Promise<void> {
    const { completion, clock } = this.#uses;
    using effort = new Effort(this.#servers(origin, room, events), clock, this.#stopping.signal);
    const statesAfter = new Map<EventId, StatePoint>();
    const left = new Map(events.map((event) => [event.eventId, event]));
    for (let round = 0; round < mostRounds && left.size > 0; round++) {
      // What another transaction brought meanwhile may be all that lacked.
      const now = await this.#inLane(origin, room, [...left.values()], { ...circumstances, statesAfter });
      for (const [id, fate] of now.fates) {
        judged.fates.set(id, fate);
        judged.lacking.delete(id);
        left.delete(id);
      }
      for (const [id, why] of now.unresolved) judged.unresolved.set(id, why);
      for (const [id, lacking] of now.lacking) if (judged.lacking.has(id)) judged.lacking.set(id, lacking);
      if (now.lacking.size === 0) return;
      if (!(await completion.step(room, { events: left, statesAfter }, now.lacking, effort))) return;
    }
  }

  /** Keeps what lacks something for later. */
  #defer(origin: ServerName, room: KnownRoom, events: readonly VerifiedEvent[], { fates, lacking }: Judged): void {
    const { db, deferred } = this.#uses;
    db.write<void>(() => {
      for (const event of events) {
        const lacks = lacking.get(event.eventId);
        if (lacks === undefined) continue;
        const reason = 'What the event cites cannot be had';
        const isKept = deferred.keep(room.nid, origin, event, lacks);
        fates.set(event.eventId, { outcome: isKept ? 'deferred' : 'dropped', reason });
      }
    });
  }

  /** Keeps what follows states that disagree on too much; those that have to do with others are judged meanwhile. */
  #deferUnresolved(
    origin: ServerName,
    room: KnownRoom,
    events: readonly VerifiedEvent[],
    { fates, unresolved }: Pick<Judged, 'fates' | 'unresolved'>,
  ): void {
    const { db, deferred } = this.#uses;
    db.write<void>(() => {
      for (const event of events) {
        const why = unresolved.get(event.eventId);
        if (why === undefined || !deferred.keepUnresolved(room.nid, origin, event, why)) continue;
        fates.set(event.eventId, { outcome: 'deferred', reason: disagreement });
      }
    });
  }

  /** Deferred events that lacked what has just come in. */
  async #judgeReady(origin: ServerName, room: KnownRoom, fates: ReadonlyMap<EventId, Fate>): Promise<void> {
    if (![...fates.values()].some(({ outcome }) => outcome !== 'duplicate' && outcome !== 'dropped')) return;
    const ready = this.#uses.deferred.ready(room.nid);
    if (ready.length === 0) return;
    const judged = await this.#inLane(origin, room, ready, {});
    const { lacking } = judged;
    this.#deferUnresolved(origin, room, ready, judged);
    this.#uses.db.write<void>(() => {
      for (const event of ready) {
        const lacks = lacking.get(event.eventId);
        if (lacks !== undefined) this.#uses.deferred.keep(room.nid, origin, event, lacks);
      }
    });
  }

  async #tryAgain(nid: RoomNid, origin: ServerName, events: readonly VerifiedEvent[]): Promise<void> {
    const { interning, knownRooms, serverAccess, serverName } = this.#uses;
    const room = knownRooms.find(interning.roomId(nid));
    if (room === undefined || !serverAccess.isInRoom(nid, serverName)) return;
    this.#shunned.delete(`${nid} ${origin}`);
    await this.#process(origin, room, events, {}, true);
  }

  /** Ancestors first, in slices of one write each. Throws 429 M_LIMIT_EXCEEDED if the room has too much to do. */
  async #inLane(
    origin: ServerName,
    room: KnownRoom,
    events: readonly VerifiedEvent[],
    circumstances: Circumstances,
  ): Promise<Judged> {
    const judged: Judged = { fates: new Map(), lacking: new Map(), unresolved: new Map() };
    const ordered = byCitation(events);
    const notRecommended = await this.#uses.policy.notRecommended(room, ordered);
    const known = { ...circumstances, notRecommended };
    const work = async () => {
      for (let at = 0; at < ordered.length; at += judgedAtOnce) {
        if (at > 0) await nextTurn();
        await this.#judgeAll(origin, room, ordered.slice(at, at + judgedAtOnce), known, judged);
      }
    };
    const running = this.lanes.run(room.nid, work);
    if (running === undefined) throw limitExceeded(millis(10_000));
    await running;
    return judged;
  }

  #judge(
    room: KnownRoom,
    events: readonly VerifiedEvent[],
    circumstances: Circumstances,
    judged: Judged,
  ): LargeConflict[] {
    const { db, input } = this.#uses;
    const verdicts = db.write<[EventId, Fate | Lacking | LargeConflict][]>(() =>
      input.together(room, events, (event) => [event.eventId, this.#judgeOne(room, event, circumstances)]),
    );
    const conflicts: LargeConflict[] = [];
    for (const [id, verdict] of verdicts) {
      if (verdict instanceof LargeConflict) conflicts.push(verdict);
      else if (verdict.outcome === 'lacking') judged.lacking.set(id, verdict);
      else judged.fates.set(id, verdict);
    }
    return conflicts;
  }

  /** What cites states that disagree on much is judged once these are resolved. */
  async #judgeAll(
    origin: ServerName,
    room: KnownRoom,
    events: readonly VerifiedEvent[],
    circumstances: Circumstances,
    judged: Judged,
  ): Promise<void> {
    let left = events;
    let why: Unresolved = 'too many conflicts';
    for (let round = 0; round < mostConflicts && left.length > 0; round++) {
      const [conflict] = this.#judge(room, left, circumstances, judged);
      if (conflict === undefined) return;
      left = left.filter(({ eventId }) => !judged.fates.has(eventId) && !judged.lacking.has(eventId));
      if (await this.#uses.resolutions.prepare(room, conflict.points, origin)) continue;
      why = 'too large a conflict';
      break;
    }
    for (const { eventId } of left) {
      judged.fates.set(eventId, { outcome: 'dropped', reason: disagreement });
      judged.unresolved.set(eventId, why);
    }
  }

  /** In a savepoint: an event that we fail at takes no other with it. */
  #judgeOne(room: KnownRoom, event: VerifiedEvent, circumstances: Circumstances): Fate | Lacking | LargeConflict {
    const { db, judging, deferred, log, interning } = this.#uses;
    try {
      return db.write<Fate | Lacking>(() => {
        const verdict = judging.decide(room, event, circumstances);
        if (verdict.outcome !== 'lacking') deferred.settle(interning.event(event.eventId));
        return verdict;
      });
    } catch (error) {
      if (error instanceof LargeConflict) return error;
      // Whoever sent it keeps it, and comes back.
      if (isDiskFull(error)) throw error;
      log.error('receive.failed', { event: event.eventId, room: room.roomId, error });
      return { outcome: 'dropped', reason: 'The event could not be processed' };
    }
  }

  #servers(origin: ServerName, room: KnownRoom, events: readonly VerifiedEvent[]): ServerName[] {
    const { roomState, interning, serverName } = this.#uses;
    const makers = events.map(({ pdu }) => serverOf(pdu.sender));
    const now = roomState.info(room.nid)?.lastPos;
    const others = now === undefined ? [] : roomState.servers.at(room.nid, now, 0, 8);
    const names = others.map((server) => interning.serverName(server));
    return serversToAsk(origin, makers, names, serverName);
  }
}

function roomIdIn(pdu: unknown): string | undefined {
  const roomId = isJsonObject(pdu) ? pdu['room_id'] : undefined;
  return typeof roomId === 'string' ? roomId : undefined;
}
