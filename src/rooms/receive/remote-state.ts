import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EventId, ServerName } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import type { EventRow } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import { eventFlags } from '../../store/events/flags.ts';
import type { Interning } from '../../store/interning/interning.ts';
import { wellKnown } from '../../store/interning/well-known.ts';
import { NidSet } from '../../store/nid-set.ts';
import type { EventNid, StateKeyNid, StatePoint } from '../../store/nids.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import type { StateChange, StateEntry, StateLog } from '../../store/state/state-log.ts';
import type { Streams } from '../../streams/streams.ts';
import type { Clock } from '../../util/clock.ts';
import { unhurried } from '../../util/slices.ts';
import type { KnownRoom } from '../known-rooms.ts';
import type { Effort } from './effort.ts';
import type { Fetching } from './fetching.ts';
import type { RoomQuestions, StateId } from './room-questions.ts';

export interface RemoteStateUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly events: EventStore;
  readonly stateLog: StateLog;
  readonly roomState: RoomStateStore;
  readonly streams: Streams;
  readonly questions: RoomQuestions;
  readonly fetching: Fetching;
  readonly clock: Clock;
}

/**
 * How many entries a told state may have that differ from ours. A room changes less while a server is away for weeks;
 * whoever tells of more would have us resolve it, which takes time for each.
 */
const mostDifferences = 10_000;
/** Entries of our own state that are read at once, and of the told one that are written at once: some milliseconds. */
const entriesTogether = 250;
const writtenTogether = 200;

/**
 * The state at events that are not here, as servers in the room tell it. Every event of such a state is verified and
 * authorised by itself; whether they held together at that point is the other server's word, which later resolution
 * weighs against what is known here.
 */
export class RemoteState {
  readonly #uses: RemoteStateUses;

  constructor(uses: RemoteStateUses) {
    this.#uses = uses;
  }

  /** The state after an event; `undefined` if no server that may be asked tells it. */
  async after(room: KnownRoom, eventId: EventId, effort: Effort): Promise<StatePoint | undefined> {
    for (const server of effort.servers) {
      if (effort.isOver) return undefined;
      const point = await this.#toldBy(server, room, eventId, effort);
      if (point !== undefined) return point;
    }
    return undefined;
  }

  async #toldBy(
    server: ServerName,
    room: KnownRoom,
    eventId: EventId,
    effort: Effort,
  ): Promise<StatePoint | undefined> {
    const { questions, fetching } = this.#uses;
    const ids = await questions.stateIds(server, room.roomId, eventId, effort.signal);
    if (ids === undefined) return undefined;
    const told = new ToldState(this.#uses, room, effort.eventsLeft);
    if (!(await this.#read(ids, told))) return undefined;
    // The event itself may be a state event, and then it is in the state after it.
    await told.take([{ id: eventId, isInState: true }]);
    if (!(await this.#fetchMissing(room, told, effort))) return undefined;
    if (fetching.unknown([eventId]).length > 0) return undefined;
    const changes = await told.changes();
    return changes === undefined ? undefined : this.#keep(room, told.tip, changes);
  }

  /** False if it is too much, or not what was asked for. */
  async #read(ids: AsyncIterable<readonly StateId[]>, told: ToldState): Promise<boolean> {
    try {
      for await (const some of ids) if (!(await told.take(some))) return false;
      return true;
    } catch {
      // The other server's fault, or the connection's; or it was called off.
      return false;
    }
  }

  /** False if it could not all be had. What is known to be wrong is not waited for. */
  async #fetchMissing(room: KnownRoom, told: ToldState, effort: Effort): Promise<boolean> {
    const { fetching } = this.#uses;
    const missing = [...told.missing];
    if (missing.length === 0) return true;
    if (!told.isChainWhole || missing.length + told.missingChain.size > effort.eventsLeft) return false;
    await fetching.outliers(room, [...told.missingChain, ...missing], effort);
    const isThere = fetching.unknown(missing).every((id) => effort.hopeless.has(id));
    return isThere && (await told.take(missing.map((id) => ({ id, isInState: true }))));
  }

  /** As a fork of the current state that holds the differences, written in slices; nothing points to it before. */
  async #keep(room: KnownRoom, tip: StatePoint, changes: readonly StateChange[]): Promise<StatePoint | undefined> {
    const { db, roomState, stateLog, streams } = this.#uses;
    let fork: StatePoint | undefined;
    for (let at = 0; at < changes.length; at += writtenTogether) {
      if (at > 0) await nextTurn();
      const slice = changes.slice(at, at + writtenTogether);
      fork = db.write<StatePoint>(() => {
        const point = fork ?? { line: stateLog.createLine(room.nid, 'fork', tip), pos: streams.next() };
        stateLog.append(point.line, point.pos, slice);
        return point;
      });
    }
    // Left and entered again meanwhile: what was told is about another time.
    return roomState.info(room.nid)?.line === tip.line ? (fork ?? tip) : undefined;
  }
}

/**
 * A state as it is told, event by event, held against our current one: what is the same is a bit, what differs is
 * bounded. So it does not matter how many members the room has.
 */
class ToldState {
  /** The current state when this began; it stays what it is. */
  readonly tip: StatePoint;
  /** Events that are not here: of the state, and of its auth chain as far as so many are of any use. */
  readonly missing = new Set<EventId>();
  readonly missingChain = new Set<EventId>();
  isChainWhole = true;
  #hasState = false;
  readonly #uses: RemoteStateUses;
  readonly #room: KnownRoom;
  readonly #mostMissing: number;
  readonly #same = new NidSet<EventNid>();
  readonly #differing = new Map<StateKeyNid, EventNid | 0>();

  constructor(uses: RemoteStateUses, room: KnownRoom, mostMissing: number) {
    this.#uses = uses;
    this.#room = room;
    this.#mostMissing = mostMissing;
    this.tip = uses.roomState.tip(room.nid);
  }

  /** False if it is more than is looked at. What could not be had or was rejected is in no state. */
  async take(ids: readonly StateId[]): Promise<boolean> {
    await unhurried(this.#uses.clock, ids, ({ id, isInState }) => {
      this.#hasState ||= isInState;
      // What authorises a state of which nothing is missing is here, too.
      if (!isInState && this.#hasState && this.missing.size === 0) return;
      const { interning, events } = this.#uses;
      const nid = interning.findEvent(id);
      const row = nid === undefined ? undefined : events.row(nid);
      if (row === undefined) this.#miss(id, isInState);
      else if (isInState) this.#hold(row);
    });
    return this.missing.size <= this.#mostMissing && this.#differing.size <= mostDifferences;
  }

  #miss(id: EventId, isInState: boolean): void {
    const list = isInState ? this.missing : this.missingChain;
    // One more than may be fetched says that there are too many.
    if (list.size <= this.#mostMissing) list.add(id);
    else if (!isInState) this.isChainWhole = false;
  }

  #hold({ nid, room, stateKey, flags }: EventRow): void {
    if (room !== this.#room.nid || stateKey === null || (flags & eventFlags.REJECTED) !== 0) return;
    if (this.#uses.stateLog.at(this.tip, stateKey) === nid) {
      this.#same.add(nid);
      this.#differing.delete(stateKey);
    } else if (this.#differing.size <= mostDifferences) this.#differing.set(stateKey, nid);
  }

  /** What has to change in the current state to be the one that was told. `undefined`: it is none of this room, or too much. */
  async changes(): Promise<StateChange[] | undefined> {
    const { stateLog, clock } = this.#uses;
    let after: StateKeyNid | 0 = 0;
    while (true) {
      const page: readonly StateEntry[] = stateLog.pageAt(this.tip, after, entriesTogether);
      await unhurried(clock, page, ([key, event]) => {
        const isGone = !this.#same.has(event) && !this.#differing.has(key);
        if (isGone && this.#differing.size <= mostDifferences) this.#differing.set(key, 0);
      });
      if (this.#differing.size > mostDifferences) return undefined;
      const last = page.at(-1);
      if (last === undefined || page.length < entriesTogether) break;
      after = last[0];
      await nextTurn();
    }
    return this.#differing.has(wellKnown.stateKeys.create) ? undefined : [...this.#differing];
  }
}
