import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Gates } from '../../governor/gates.ts';
import { authTypesFor, type SelectableEvent } from '../../protocol/event-auth/selection.ts';
import type { StateLookup } from '../../protocol/event-auth/types.ts';
import type { Pdu } from '../../protocol/events/pdu.ts';
import type { EventId } from '../../protocol/ids/types.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import type { BodyPacker } from '../../store/bodies/body-packer.ts';
import type { Database } from '../../store/db.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import { eventFlags } from '../../store/events/flags.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { EventNid, RoomNid } from '../../store/nids.ts';
import type { PendingJoins } from '../../store/rooms/pending-joins.ts';
import type { SettledEvent, SpoolOutcome } from '../../store/spool/spool.ts';
import type { SpooledKey } from '../../store/spool/spool-signers.ts';
import type { ImportCounts, RoomImport, StateImports } from '../../store/state/state-import.ts';
import type { Streams } from '../../streams/streams.ts';
import type { Clock } from '../../util/clock.ts';
import { SliceSize, unhurried } from '../../util/slices.ts';
import type { HandedEvent } from '../../workers/spool/spool-verifier.ts';
import type { AuthEvents } from '../input/auth-events.ts';
import type { EntryGuard } from '../limits/room-limits.ts';
import type { VersionedRoom } from '../receive/auth-judge.ts';
import type { Outliers } from '../receive/outliers.ts';
import type { KeyList } from '../receive/verify.ts';
import { type AnswerSpool, BadAnswer } from './answer-spool.ts';

export interface StateTakeoverUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly events: EventStore;
  readonly bodyPacker: BodyPacker;
  readonly stateImports: StateImports;
  readonly pendingJoins: PendingJoins;
  readonly streams: Streams;
  readonly authEvents: AuthEvents;
  readonly outliers: Outliers;
  readonly keys: KeyList;
  readonly clock: Clock;
  /** Where a takeover is parked while there is next to no memory. */
  readonly gates?: Pick<Gates, 'roomier'>;
}

export interface StoringOptions {
  readonly signal: AbortSignal;
  /** Of a room that is not open yet: what is stored for it can be taken away again. */
  readonly begun?: RoomImport;
  /** Only what is urgent, with what it cites. */
  readonly onlyUrgent?: boolean;
  /** Some of it may be here from an earlier try. */
  readonly mayBeStored?: boolean;
  /** Told how many were stored once more. */
  readonly stored?: (events: number) => void;
}

/** Events authorised and stored in one write, and entries of the state: as many as fit into a turn. */
const storedTogether = { first: 8, most: 50 };
const entriesTogether = { first: 50, most: 500 };
/** Rows of the spool in one step. */
const rowsTogether = 250;
/** Servers whose keys are asked for together. */
const signersTogether = 1000;
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
  readonly #stored: SliceSize;
  readonly #written: SliceSize;
  /** What an earlier process has left, and how far it is removed. */
  #leftover: { readonly room: RoomNid; cursor: EventNid | 0 } | undefined;

  constructor(uses: StateTakeoverUses) {
    this.#uses = uses;
    this.#stored = new SliceSize(uses.clock, storedTogether);
    this.#written = new SliceSize(uses.clock, entriesTogether);
  }

  /**
   * Has the events checked and stores them as outliers, each behind those that authorise it. What has a wrong
   * signature, or cites what is not there, is left out.
   */
  async store(room: VersionedRoom, spool: AnswerSpool, options: StoringOptions): Promise<void> {
    const { onlyUrgent = false, signal } = options;
    await this.#fetchKeys(spool, onlyUrgent, signal);
    await this.#freeKnown(spool);
    if ((await spool.entry('m.room.create', '')) === undefined) throw new BadAnswer('its state has no create event');
    if (options.mayBeStored === true) await this.#takeStored(room, spool, signal);
    await this.#takeAll(room, spool, options);
    await this.#checkCreate(room, spool);
  }

  /** All keys at once: server by server they would be waited for one after the other. */
  async #fetchKeys(spool: AnswerSpool, onlyUrgent: boolean, signal: AbortSignal): Promise<void> {
    const { keys, clock } = this.#uses;
    let after = 0;
    for (let asked = 0; ; asked += signersTogether) {
      if (asked > maxSigners) throw new BadAnswer('its events are of too many servers');
      const signers = await spool.signers(after, signersTogether, onlyUrgent);
      const last = signers.at(-1);
      if (last === undefined) return;
      const wanted = signers.map(({ server, keyId, ts }) => ({ server, keyIds: [keyId], validAt: ts }));
      await keys.ensure(wanted, signal);
      signal.throwIfAborted();
      const found: SpooledKey[] = [];
      await unhurried(clock, signers, ({ nid, server, keyId }) => {
        const known = keys.keyWithEnd(server, keyId);
        if (known !== undefined) found.push({ nid, key: known.key.bytes, validUntil: known.validUntil });
      });
      await spool.setKeys(found);
      after = last.nid;
    }
  }

  /** The event that all others rest on, whether they cite it or not. */
  async #checkCreate({ rules }: VersionedRoom, spool: AnswerSpool): Promise<void> {
    const create = await spool.entry('m.room.create', '');
    if (typeof create?.event !== 'number') throw new BadAnswer('its create event is not valid');
    const { content } = this.#uses.authEvents.get(create.event);
    if ((content['room_version'] ?? '1') !== rules.version) {
      throw new BadAnswer('its create event is of another room version');
    }
  }

  /** What the events cite and the database has already. */
  async #freeKnown(spool: AnswerSpool): Promise<void> {
    let after = 0;
    while (true) {
      const cited = await spool.outside(after, rowsTogether);
      await spool.known(cited.filter(({ eventId }) => this.#isStored(eventId)).map(({ nid }) => nid));
      const last = cited.at(-1);
      if (last === undefined) return;
      after = last.nid;
    }
  }

  #isStored(eventId: EventId): boolean {
    const nid = this.#uses.interning.findEvent(eventId);
    return nid !== undefined && this.#uses.events.row(nid) !== undefined;
  }

  /**
   * What was stored and authorised before, for instance by a try that did not come to its end, need not be verified
   * again: the ID is the hash of what it says. In room versions 1 and 2 it is not.
   */
  async #takeStored({ nid: room, rules }: VersionedRoom, spool: AnswerSpool, signal: AbortSignal): Promise<void> {
    if (rules.eventIdFormat === 'v1') return;
    const { interning, events } = this.#uses;
    let after = 0;
    while (true) {
      const page = await spool.waiting(after, rowsTogether);
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.nid;
      signal.throwIfAborted();
      const taken = page.flatMap(({ nid, eventId }): SettledEvent[] => {
        const event = interning.findEvent(eventId);
        const row = event === undefined ? undefined : events.row(event);
        const isGood = row !== undefined && row.room === room && (row.flags & eventFlags.REJECTED) === 0;
        return isGood ? [{ nid, outcome: 'taken', event: row.nid }] : [];
      });
      await spool.settle(taken);
    }
  }

  /** While some are being stored, the signatures of the next ones are checked. */
  async #takeAll(room: VersionedRoom, spool: AnswerSpool, options: StoringOptions): Promise<void> {
    const { onlyUrgent = false, signal, begun } = options;
    let ahead = spool.verified(onlyUrgent);
    let isMore = false;
    while (true) {
      const events = await ahead;
      await this.#uses.gates?.roomier(signal);
      signal.throwIfAborted();
      if (events === undefined && !isMore) return;
      ahead = spool.verified(onlyUrgent);
      // Whoever gives up meanwhile does not wait for them.
      ahead.catch(() => {});
      if (events === undefined) {
        isMore = false;
        continue;
      }
      const settled = await this.#storeSome(room, begun, events);
      await spool.settle(settled);
      options.stored?.(settled.length);
      // What has just been asked for could not have them yet.
      isMore ||= settled.length > 0;
    }
  }

  async #storeSome(
    room: VersionedRoom,
    begun: RoomImport | undefined,
    events: readonly HandedEvent[],
  ): Promise<SettledEvent[]> {
    const settled: SettledEvent[] = [];
    for (let at = 0; at < events.length; ) {
      const slice = events.slice(at, at + this.#stored.size);
      at += slice.length;
      const { added } = this.#stored.measure(slice.length, () =>
        this.#uses.db.write(() => this.#addSlice(room, begun, slice)),
      );
      for (const { nid, eventId } of slice) settled.push(this.#settled(nid, added.get(eventId)));
      await nextTurn();
    }
    return settled;
  }

  #addSlice(room: VersionedRoom, begun: RoomImport | undefined, slice: readonly HandedEvent[]) {
    const { interning, stateImports, outliers, bodyPacker } = this.#uses;
    for (const { eventId } of slice) {
      const nid = interning.findEvent(eventId);
      if (begun !== undefined && nid !== undefined && nid < begun.first) stateImports.stored(room.nid, nid);
    }
    const events = slice.map(({ eventId, canonical, redacted }) => ({
      pdu: JSON.parse(canonical) as Pdu,
      eventId,
      canonical,
      redacted,
    }));
    const result = outliers.add(room, events);
    // At once: packed later, they would leave a hole of half the room's size in the file.
    bodyPacker.packSome(slice.length);
    return result;
  }

  #settled(nid: number, event: EventNid | undefined): SettledEvent {
    if (event === undefined) return { nid, outcome: 'dropped' };
    const flags = this.#uses.events.row(event)?.flags ?? eventFlags.REJECTED;
    const outcome: SpoolOutcome = (flags & eventFlags.REJECTED) === 0 ? 'taken' : 'rejected';
    return { nid, outcome, event };
  }

  /** What the auth rules look at of the state that was stored, for one event. */
  async lookup(spool: AnswerSpool, event: SelectableEvent, rules: RoomVersionRules): Promise<StateLookup<EventNid>> {
    const found = new Map<string, EventNid>();
    for (const [type, stateKey] of [['m.room.create', ''] as const, ...authTypesFor(event, rules)]) {
      const nid = (await spool.entry(type, stateKey))?.event ?? undefined;
      if (nid !== undefined) found.set(`${type} ${stateKey}`, nid);
    }
    return (type, stateKey) => {
      const nid = found.get(`${type} ${stateKey}`);
      return nid === undefined ? undefined : this.#uses.authEvents.get(nid);
    };
  }

  /** Writes the state where nobody looks yet. Answers what it adds up to; throws what the guard throws. */
  async write(begun: RoomImport, spool: AnswerSpool, guard: EntryGuard): Promise<ImportCounts> {
    const { db, events, stateImports } = this.#uses;
    const counts: ImportCounts = { joined: 0, invited: 0, knocked: 0, banned: 0, servers: 0, states: 0 };
    let after = 0;
    while (true) {
      const page = await spool.state(after, this.#written.size);
      const last = page.at(-1);
      if (last === undefined) return counts;
      after = last.nid;
      this.#written.measure(page.length, () => {
        const rows = events.rows(page.map(({ event }) => event));
        const entries = rows.flatMap(({ nid, stateKey }) => (stateKey === null ? [] : [[stateKey, nid] as const]));
        db.write<void>(() => stateImports.add(begun, entries, counts));
      });
      guard.check({ members: counts.joined, servers: counts.servers, stateEvents: counts.states });
      await nextTurn();
    }
  }

  /** Writes down which servers the answer says are in the room, while their members are not known. */
  async tell(begun: RoomImport, spool: AnswerSpool, counts: ImportCounts, guard: EntryGuard): Promise<void> {
    const { db, stateImports } = this.#uses;
    let after = 0;
    while (true) {
      const page = await spool.servers(after, rowsTogether);
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.nid;
      const names = page.map(({ server }) => server);
      db.write<void>(() => stateImports.addTold(begun, names, counts));
      guard.check({ servers: counts.servers });
      await nextTurn();
    }
  }

  /**
   * Begins to take a room over, or again after a crash: events that were stored then stay. The returned function says
   * that it has come to an end, in one way or the other.
   */
  async begin(
    room: RoomNid,
  ): Promise<{ readonly begun: RoomImport; readonly isAnew: boolean; readonly ended: () => void }> {
    const { db, stateImports, streams } = this.#uses;
    this.#running.add(room);
    const ended = () => void this.#running.delete(room);
    const left = stateImports.find(room);
    if (left === undefined)
      return { begun: db.write(() => stateImports.begin(room, streams.next())), isAnew: false, ended };
    while (db.write(() => stateImports.clearWritten(left))) await nextTurn();
    return { begun: left, isAnew: true, ended };
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
    this.#uses.authEvents.forgetAll();
    this.#leftover = cursor === undefined ? undefined : { room, cursor };
    return true;
  }

  #findLeftover(): RoomNid | undefined {
    const { stateImports, pendingJoins } = this.#uses;
    for (const { room } of stateImports.pending()) {
      // What will be taken up again goes on with it.
      if (!this.#running.has(room) && !pendingJoins.has(room)) return room;
    }
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
      this.#uses.authEvents.forgetAll();
      await nextTurn();
    }
  }
}
