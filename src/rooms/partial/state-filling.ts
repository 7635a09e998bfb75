import { setImmediate as nextTurn } from 'node:timers/promises';
import { type FederationClient, remotePath } from '../../federation/client.ts';
import { MatrixError } from '../../protocol/errors.ts';
import type { EventId, RoomId, ServerName } from '../../protocol/ids/types.ts';
import { isUserId, serverOf } from '../../protocol/ids/user-id.ts';
import type { Database } from '../../store/db.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Interning } from '../../store/interning/interning.ts';
import { wellKnown } from '../../store/interning/well-known.ts';
import type { PartialRoomRecord, PartialRooms } from '../../store/rooms/partial-rooms.ts';
import type { CurrentChange, RoomStateStore } from '../../store/state/room-state-store.ts';
import type { StateEntry, StateLog } from '../../store/state/state-log.ts';
import type { Streams } from '../../streams/streams.ts';
import { millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import type { Log } from '../../util/log.ts';
import { SliceSize } from '../../util/slices.ts';
import type { KnownRoom } from '../known-rooms.ts';
import type { EntryGuard } from '../limits/room-limits.ts';
import { type AnswerSpool, type AnswerSpools, BadAnswer, stateParts } from '../remote/answer-spool.ts';
import type { StateTakeover } from '../remote/state-takeover.ts';
import type { Watchdog } from './watchdog.ts';

export interface StateFillingUses {
  readonly clock: Clock;
  readonly db: Database;
  readonly interning: Interning;
  readonly events: EventStore;
  readonly stateLog: StateLog;
  readonly roomState: RoomStateStore;
  readonly partialRooms: PartialRooms;
  readonly streams: Streams;
  readonly client: FederationClient;
  readonly answerSpools: AnswerSpools;
  readonly takeover: StateTakeover;
  readonly serverName: ServerName;
  readonly log: Log;
}

/** One try to get all of a room's state. */
export interface FillTry {
  readonly room: KnownRoom;
  readonly partial: PartialRoomRecord;
  readonly guard: EntryGuard;
  readonly watchdog: Watchdog;
  readonly signal: AbortSignal;
}

/** Until the answer begins: a server collects the state of a large room for minutes. */
const stateTimeout = millis(180_000);
/** The largest rooms there are answer with some 200 MB. The disk has to hold it, not the memory. */
const largestRoom = 512 * 1024 * 1024;
const maxEvents = 1_000_000;
/** Entries filled in by one write. */
const entriesTogether = { first: 20, most: 80 };
const rowsTogether = 500;
/** A complete answer of an earlier process stays right for ever, but the disk may be wanted for something else. */
const longestKept = 7 * 24 * 3_600_000;
/** Servers told to be in the room whose members an answer may leave out: both change while it is made. */
const mostMissing = 0.1;
const fewestMissing = 3;

/** Gets what is missing of a room's state, and puts it where it belongs. Nothing that is here already is fetched for it. */
export class StateFilling {
  readonly #uses: StateFillingUses;

  constructor(uses: StateFillingUses) {
    this.#uses = uses;
  }

  /**
   * Asks a server for the state before the join. `isStrict`: an answer that leaves out members of many servers which
   * are said to be in the room, or contradicts what the room was entered with, is not believed. `isFirst`: others are asked
   * before the room is taken to be too large. Throws `BadAnswer`, and what the guard throws.
   */
  async fetch(
    server: ServerName,
    filling: FillTry,
    { isStrict, isFirst }: { readonly isStrict: boolean; readonly isFirst: boolean },
  ): Promise<void> {
    const { client, interning, answerSpools } = this.#uses;
    const { room, partial, guard, watchdog, signal } = filling;
    const answer = await client.stream({
      server,
      method: 'GET',
      path: remotePath`/_matrix/federation/v1/state/${room.roomId}`,
      query: { event_id: interning.eventId(partial.joinEvent) },
      timeout: stateTimeout,
      maxBytes: largestRoom,
      signal,
    });
    if (!answer.ok) throw new BadAnswer(answer.error ?? answer.detail);
    await using spool = answerSpools.create();
    const about = { roomId: room.roomId, rules: room.rules, parts: stateParts, members: [], maxEvents, signal, guard };
    await spool.read(watchdog.watched(answer.body), about).catch((error: unknown) => {
      // What nobody has verified is one server's word: another one has to say so before the room is left.
      const isTooLarge = error instanceof MatrixError && error.status === 403;
      throw isTooLarge && isFirst ? new BadAnswer(error.message) : error;
    });
    if (isStrict) await this.#requireServers(filling, spool);
    this.keep(spool, partial, 'state');
    await this.take(spool, filling, { mayBeStored: true, isStrict });
  }

  /** If this process ends before the answer is taken over, the next one goes on with it. */
  keep(spool: AnswerSpool, partial: Pick<PartialRoomRecord, 'room' | 'joinEvent'>, form: 'join' | 'state'): void {
    spool.keep({ ...this.#about(partial), form, since: this.#uses.clock.now() });
  }

  #about({ room, joinEvent }: Pick<PartialRoomRecord, 'room' | 'joinEvent'>) {
    const { interning } = this.#uses;
    return { roomId: interning.roomId(room), joinEvent: interning.eventId(joinEvent) };
  }

  /**
   * Goes on with the answer that an earlier process had read completely. False: there is none, or it is damaged. Throws
   * as `fetch` does.
   */
  async takeUp(filling: FillTry, isStrict: boolean): Promise<boolean> {
    const { answerSpools, log } = this.#uses;
    const { room, partial, guard, signal } = filling;
    const kept = await answerSpools.takeUp(this.#about(partial), { rules: room.rules, guard, signal });
    if (kept === undefined) return false;
    await using spool = kept.spool;
    log.info('rooms.filling_taken_up', { roomId: room.roomId });
    await this.take(spool, filling, { mayBeStored: true, isStrict: isStrict && kept.form === 'state' });
    return true;
  }

  /** Throws away answers of earlier processes but those about such rooms, and those of long ago. */
  dropKeptBut(isWanted: (roomId: RoomId, joinEvent: EventId) => boolean): void {
    const now = this.#uses.clock.now();
    this.#uses.answerSpools.dropKept(
      ({ roomId, joinEvent, since }) => Math.abs(now - since) > longestKept || !isWanted(roomId, joinEvent),
    );
  }

  /** The process is about to end: what is complete stays for the next one. */
  end(): void {
    this.#uses.answerSpools.end();
  }

  /** Takes what an answer holds that was read completely. */
  async take(
    spool: AnswerSpool,
    filling: FillTry,
    { mayBeStored, isStrict }: { readonly mayBeStored: boolean; readonly isStrict: boolean },
  ): Promise<void> {
    const { db, partialRooms, takeover } = this.#uses;
    const { room, partial, watchdog, signal } = filling;
    let { events } = partial;
    watchdog.working();
    const stored = (more: number): void => {
      events += more;
      watchdog.sign();
      db.write<void>(() => partialRooms.progress(room.nid, { events, members: partial.members }));
    };
    await takeover.store(room, spool, { signal, mayBeStored, stored });
    await this.#requireSame(filling, spool, isStrict);
    await this.#fillIn(filling, spool, events);
  }

  /** All servers that are said to be in the room have to have somebody in the state, but for a few. */
  async #requireServers({ room }: FillTry, spool: AnswerSpool): Promise<void> {
    const { roomState, interning } = this.#uses;
    let told = 0;
    for (let after = 0 as ReturnType<typeof roomState.servers.told>[number]['server'] | 0; ; ) {
      const page = roomState.servers.told(room.nid, after, rowsTogether);
      const last = page.at(-1);
      if (last === undefined) break;
      told += page.length;
      after = last.server;
      await nextTurn();
    }
    let covered = 0;
    for (let after = 0; ; ) {
      const page = await spool.servers(after, rowsTogether);
      const last = page.at(-1);
      if (last === undefined) break;
      after = last.nid;
      for (const { server } of page) {
        const nid = interning.findServer(server);
        if (nid !== undefined && roomState.servers.isTold(room.nid, nid)) covered++;
      }
    }
    const missing = told - covered;
    if (missing <= fewestMissing || missing <= told * mostMissing) return;
    throw new BadAnswer(`it leaves out the members of ${missing} servers`);
  }

  /**
   * What the room was entered with is not for another server to change. Those that everybody else tells otherwise stay as
   * they are, but for the create event.
   */
  async #requireSame({ partial }: FillTry, spool: AnswerSpool, isStrict: boolean): Promise<void> {
    const { stateLog } = this.#uses;
    for await (const entries of this.#pages(spool, () => rowsTogether)) {
      for (const [key, event] of entries) {
        const counts = isStrict ? this.#memberOf(key) === undefined : key === wellKnown.stateKeys.create;
        if (!counts) continue;
        const known = stateLog.at({ line: partial.line, pos: partial.base }, key);
        if (known !== undefined && known !== event)
          throw new BadAnswer('it is not the state that the room was entered with');
      }
    }
  }

  async #fillIn(filling: FillTry, spool: AnswerSpool, events: number): Promise<void> {
    const { db, partialRooms, roomState } = this.#uses;
    const { room, partial, guard, watchdog, signal } = filling;
    const slices = new SliceSize(this.#uses.clock, entriesTogether);
    let members = 0;
    for await (const entries of this.#pages(spool, () => slices.size)) {
      signal.throwIfAborted();
      members += entries.length;
      slices.measure(entries.length, () =>
        db.write<void>(() => {
          this.#fillInSome(filling, entries);
          partialRooms.progress(room.nid, { events, members: Math.max(members, partial.members) });
        }),
      );
      watchdog.sign();
      const info = roomState.info(room.nid);
      if (info !== undefined) {
        guard.check({ members: info.joined, servers: info.servers, stateEvents: info.states });
      }
    }
  }

  #fillInSome({ room, partial }: FillTry, entries: readonly StateEntry[]): void {
    const { roomState, streams } = this.#uses;
    // Left and entered again meanwhile: that is another line.
    if (roomState.info(room.nid)?.line !== partial.line) throw new BadAnswer('the room was left');
    for (const change of roomState.fillIn(room.nid, partial.base, streams.next(), entries)) this.#touch(change);
  }

  /** For our own users it is news. */
  #touch({ key }: CurrentChange): void {
    const { interning, streams, serverName } = this.#uses;
    const userId = this.#memberOf(key);
    if (userId === undefined || !isUserId(userId) || serverOf(userId) !== serverName) return;
    const user = interning.findUser(userId);
    if (user !== undefined) streams.touchUser(user);
  }

  #memberOf(key: StateEntry[0]): string | undefined {
    const { typeNid, skey } = this.#uses.interning.stateKeyOf(key);
    return typeNid === wellKnown.types.member ? skey : undefined;
  }

  /** What was taken of the state, page by page, each in a turn of its own. */
  async *#pages(spool: AnswerSpool, size: () => number): AsyncGenerator<StateEntry[]> {
    let after = 0;
    while (true) {
      const page = await spool.state(after, size());
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.nid;
      const rows = this.#uses.events.rows(page.map(({ event }) => event));
      yield rows.flatMap(({ nid, stateKey }): StateEntry[] => (stateKey === null ? [] : [[stateKey, nid]]));
      await nextTurn();
    }
  }
}
