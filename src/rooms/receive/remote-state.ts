import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EventId, ServerName } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import { eventFlags } from '../../store/events/flags.ts';
import type { Interning } from '../../store/interning/interning.ts';
import { wellKnown } from '../../store/interning/well-known.ts';
import type { EventNid, StateKeyNid, StatePoint } from '../../store/nids.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import type { StateLog } from '../../store/state/state-log.ts';
import type { Streams } from '../../streams/streams.ts';
import type { KnownRoom } from '../known-rooms.ts';
import type { Effort } from './effort.ts';
import type { Fetching } from './fetching.ts';
import type { RoomQuestions, StateIds } from './room-questions.ts';

export interface RemoteStateUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly events: EventStore;
  readonly stateLog: StateLog;
  readonly roomState: RoomStateStore;
  readonly streams: Streams;
  readonly questions: RoomQuestions;
  readonly fetching: Fetching;
}

/**
 * How many entries a told state may have that differ from ours. A room changes less while a server is away for weeks;
 * whoever tells of more would have us resolve it, which takes time for each.
 */
const mostDifferences = 10_000;
/** IDs looked up before others get their turn: some milliseconds. */
const lookUpsAtOnce = 1000;

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
    const told = await questions.stateIds(server, room.roomId, eventId, effort.signal);
    if (told === undefined) return undefined;
    if (!(await this.#fetchMissing(room, [eventId, ...told.state], told, effort))) return undefined;
    // The event itself may be a state event, and then it is in the state after it.
    if (fetching.unknown([eventId]).length > 0) return undefined;
    const entries = await this.#entries(room, [...told.state, eventId]);
    return entries === undefined ? undefined : this.#keep(room, entries);
  }

  /** False if it could not all be had. What is known to be wrong is not waited for. */
  async #fetchMissing(room: KnownRoom, state: readonly EventId[], told: StateIds, effort: Effort): Promise<boolean> {
    const { fetching } = this.#uses;
    const missing = fetching.unknown(state);
    if (missing.length === 0) return true;
    const chain = fetching.unknown(told.authChain);
    if (missing.length + chain.length > effort.eventsLeft) return false;
    await fetching.outliers(room, [...chain, ...missing], effort);
    return fetching.unknown(state).every((id) => effort.hopeless.has(id));
  }

  /** The events under their keys. What could not be had or was rejected is in no state. */
  async #entries(room: KnownRoom, ids: readonly EventId[]): Promise<Map<StateKeyNid, EventNid> | undefined> {
    const { interning, events } = this.#uses;
    const entries = new Map<StateKeyNid, EventNid>();
    for (const [index, id] of ids.entries()) {
      if (index % lookUpsAtOnce === lookUpsAtOnce - 1) await nextTurn();
      const nid = interning.findEvent(id);
      const row = nid === undefined ? undefined : events.row(nid);
      if (row === undefined || row.room !== room.nid || row.stateKey === null) continue;
      if ((row.flags & eventFlags.REJECTED) === 0) entries.set(row.stateKey, row.nid);
    }
    const create = this.#uses.roomState.current(room.nid, wellKnown.stateKeys.create);
    return entries.get(wellKnown.stateKeys.create) === create ? entries : undefined;
  }

  /** As a fork of the current state that holds the differences. */
  #keep(room: KnownRoom, entries: ReadonlyMap<StateKeyNid, EventNid>): StatePoint | undefined {
    const { db, roomState, stateLog, streams } = this.#uses;
    return db.write<StatePoint | undefined>(() => {
      const tip = roomState.tip(room.nid);
      const changes = new Map<StateKeyNid, EventNid | 0>(entries);
      for (const [key, event] of roomState.currentAll(room.nid)) {
        if (changes.get(key) === event) changes.delete(key);
        else if (!changes.has(key)) changes.set(key, 0);
      }
      if (changes.size > mostDifferences) return undefined;
      if (changes.size === 0) return tip;
      const line = stateLog.createLine(room.nid, 'fork', tip);
      const pos = streams.next();
      stateLog.append(line, pos, changes);
      return { line, pos };
    });
  }
}
