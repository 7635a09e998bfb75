import { setImmediate as nextTurn } from 'node:timers/promises';
import type { StateLookup } from '../../protocol/event-auth/types.ts';
import type { EventId } from '../../protocol/ids/types.ts';
import { parseExactJson } from '../../protocol/parse-json.ts';
import type { Database } from '../../store/db.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import { eventFlags } from '../../store/events/flags.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { EventNid, RoomNid } from '../../store/nids.ts';
import type { Spool, WaitingEvent } from '../../store/spool/spool.ts';
import type { ImportCounts, RoomImport, StateImports } from '../../store/state/state-import.ts';
import type { Streams } from '../../streams/streams.ts';
import type { AuthEvents } from '../auth-events.ts';
import type { EntryGuard } from '../limits/room-limits.ts';
import type { VersionedRoom } from '../receive/auth-judge.ts';
import type { Outliers } from '../receive/outliers.ts';
import type { EventVerifier, KeySource } from '../receive/verify.ts';
import { BadAnswer } from './answer-spool.ts';

export interface StateTakeoverUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly events: EventStore;
  readonly stateImports: StateImports;
  readonly streams: Streams;
  readonly authEvents: AuthEvents;
  readonly outliers: Outliers;
  readonly verifier: EventVerifier;
  readonly keys: KeySource;
}

/** Events whose signatures are checked together, beside the main thread. */
const verifiedTogether = 100;
/** Events authorised and stored in one write: some ten milliseconds. */
const storedTogether = 25;
/** Entries of the state written at once. */
const entriesTogether = 200;
/** Rows of the spool in one step. */
const rowsTogether = 500;
/** Servers whose keys are asked for together. */
const signersTogether = 200;
/** Keys of servers that one answer may have us ask for: the largest rooms have some thousands of servers. */
const maxSigners = 20_000;

/**
 * Takes the events of a spooled answer into the database, and a room's state from them: in slices, with all else that
 * the server does in between. What is in memory does not depend on the size of the state. Nothing of it can be seen
 * before the caller opens the room.
 */
export class StateTakeover {
  readonly #uses: StateTakeoverUses;
  /** Rooms that are being taken over; as many as are entered at a time. */
  readonly #running = new Set<RoomNid>();
  /** What an earlier process has left, and how far it is removed. */
  #leftover: { readonly room: RoomNid; cursor: EventNid | 0 } | undefined;

  constructor(uses: StateTakeoverUses) {
    this.#uses = uses;
  }

  /**
   * Checks the events and stores them as outliers, each behind those that authorise it. What has a wrong signature, or
   * cites what is not there, is left out.
   */
  async store(room: VersionedRoom, begun: RoomImport, spool: Spool, signal: AbortSignal): Promise<{ left: number }> {
    await this.#fetchKeys(spool, signal);
    await this.#create(room, begun, spool, signal);
    await this.#freeKnown(spool);
    while (true) {
      signal.throwIfAborted();
      const waiting = spool.ready(verifiedTogether);
      if (waiting.length === 0) return { left: spool.left };
      await this.#take(room, begun, spool, waiting, signal);
    }
  }

  /** All keys at once: server by server they would be waited for one after the other. */
  async #fetchKeys(spool: Spool, signal: AbortSignal): Promise<void> {
    let after = { server: '', keyId: '' };
    for (let asked = 0; ; asked += signersTogether) {
      if (asked > maxSigners) throw new BadAnswer('its events are of too many servers');
      const signers = spool.signers(after, signersTogether);
      const last = signers.at(-1);
      if (last === undefined) return;
      const wanted = signers.map(({ server, keyId, ts }) => ({ server, keyIds: [keyId], validAt: ts }));
      await this.#uses.keys.ensure(wanted, signal);
      after = last;
    }
  }

  /** The event that all others rest on, whether they cite it or not. */
  async #create(room: VersionedRoom, begun: RoomImport, spool: Spool, signal: AbortSignal): Promise<void> {
    const create = spool.entry('m.room.create', '');
    if (create === undefined) throw new BadAnswer('its state has no create event');
    await this.#take(room, begun, spool, [create], signal);
    const stored = spool.entry('m.room.create', '');
    if (typeof stored?.event !== 'number') throw new BadAnswer('its create event is not valid');
    const { content } = this.#uses.authEvents.get(stored.event);
    if ((content['room_version'] ?? '1') !== room.rules.version) {
      throw new BadAnswer('its create event is of another room version');
    }
  }

  /** What the events cite and the database has already. */
  async #freeKnown(spool: Spool): Promise<void> {
    let after = '';
    while (true) {
      const cited = spool.outside(after, rowsTogether);
      for (const eventId of cited) if (this.#isStored(eventId)) await this.#free(spool, eventId);
      const last = cited.at(-1);
      if (last === undefined) return;
      after = last;
      await nextTurn();
    }
  }

  #isStored(eventId: EventId): boolean {
    const nid = this.#uses.interning.findEvent(eventId);
    return nid !== undefined && this.#uses.events.row(nid) !== undefined;
  }

  async #take(
    room: VersionedRoom,
    begun: RoomImport,
    spool: Spool,
    waiting: readonly WaitingEvent[],
    signal: AbortSignal,
  ): Promise<void> {
    const values = waiting.map(({ body }) => parseExactJson(body));
    const { events } = await this.#uses.verifier.verify(values, room.rules, signal);
    const stored = new Map<EventId, EventNid>();
    for (let at = 0; at < events.length; at += storedTogether) {
      const slice = events.slice(at, at + storedTogether);
      const { added } = this.#uses.db.write(() => this.#addSlice(room, begun, slice));
      for (const [eventId, nid] of added) stored.set(eventId, nid);
      await nextTurn();
    }
    spool.write(() => {
      for (const { nid, eventId } of waiting) this.#settle(spool, nid, stored.get(eventId));
    });
    for (const eventId of stored.keys()) await this.#free(spool, eventId);
  }

  #addSlice(room: VersionedRoom, begun: RoomImport, slice: Parameters<Outliers['add']>[1]) {
    const { interning, stateImports, outliers } = this.#uses;
    for (const { eventId } of slice) {
      const nid = interning.findEvent(eventId);
      if (nid !== undefined && nid < begun.first) stateImports.stored(room.nid, nid);
    }
    return outliers.add(room, slice);
  }

  #settle(spool: Spool, event: number, nid: EventNid | undefined): void {
    if (nid === undefined) {
      spool.settle(event, 'dropped');
      return;
    }
    const flags = this.#uses.events.row(nid)?.flags ?? eventFlags.REJECTED;
    spool.settle(event, (flags & eventFlags.REJECTED) === 0 ? 'taken' : 'rejected', nid);
  }

  async #free(spool: Spool, eventId: EventId): Promise<void> {
    let after: number | undefined = 0;
    while (after !== undefined) {
      const from: number = after;
      after = spool.write(() => spool.free(eventId, from, rowsTogether));
      if (after !== undefined) await nextTurn();
    }
  }

  /** The state that was stored, read entry by entry. */
  lookup(spool: Spool): StateLookup<EventNid> {
    return (type, stateKey) => {
      const nid = spool.entry(type, stateKey)?.event ?? undefined;
      return nid === undefined ? undefined : this.#uses.authEvents.get(nid);
    };
  }

  /** Writes the state where nobody looks yet. Answers what it adds up to; throws what the guard throws. */
  async write(begun: RoomImport, spool: Spool, guard: EntryGuard): Promise<ImportCounts> {
    const { db, events, stateImports } = this.#uses;
    const counts: ImportCounts = { joined: 0, invited: 0, knocked: 0, banned: 0, servers: 0, states: 0 };
    let after = 0;
    while (true) {
      const page = spool.state(after, entriesTogether);
      const last = page.at(-1);
      if (last === undefined) return counts;
      after = last.nid;
      const rows = events.rows(page.map(({ event }) => event));
      const entries = rows.flatMap(({ nid, stateKey }) => (stateKey === null ? [] : [[stateKey, nid] as const]));
      db.write<void>(() => stateImports.add(begun, entries, counts));
      guard.check({ members: counts.joined, servers: counts.servers, stateEvents: counts.states });
      await nextTurn();
    }
  }

  /** Begins to take a room over. The returned function says that it has come to an end, in one way or the other. */
  begin(room: RoomNid): { readonly begun: RoomImport; readonly ended: () => void } {
    const { db, stateImports, streams } = this.#uses;
    const begun = db.write(() => stateImports.begin(room, streams.next()));
    this.#running.add(room);
    return { begun, ended: () => void this.#running.delete(room) };
  }

  /** Removes a slice of what an earlier process has begun and not finished. True: there is more. */
  clearLeftover(): boolean {
    const { db, stateImports } = this.#uses;
    const room = this.#leftover?.room ?? this.#findLeftover();
    const failed = room === undefined ? undefined : stateImports.find(room);
    if (room === undefined || failed === undefined) {
      this.#leftover = undefined;
      return false;
    }
    const cursor = db.write(() => stateImports.removeSome(failed, this.#leftover?.cursor ?? 0));
    this.#leftover = cursor === undefined ? undefined : { room, cursor };
    return true;
  }

  #findLeftover(): RoomNid | undefined {
    for (const { room } of this.#uses.stateImports.pending()) if (!this.#running.has(room)) return room;
    return undefined;
  }

  /** Takes away what an import has left that does not come to its end. */
  async discard(room: RoomNid): Promise<void> {
    const { db, stateImports } = this.#uses;
    const failed = stateImports.find(room);
    let cursor: EventNid | 0 | undefined = failed === undefined ? undefined : 0;
    while (failed !== undefined && cursor !== undefined) {
      const from: EventNid | 0 = cursor;
      cursor = db.write(() => stateImports.removeSome(failed, from));
      await nextTurn();
    }
  }
}
