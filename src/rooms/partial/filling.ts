import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Gates } from '../../governor/gates.ts';
import { MatrixError } from '../../protocol/errors.ts';
import type { EventId, RoomId, ServerName } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import { memberships } from '../../store/events/membership.ts';
import type { Interning } from '../../store/interning/interning.ts';
import { wellKnown } from '../../store/interning/well-known.ts';
import type { RoomNid } from '../../store/nids.ts';
import type { PartialRoomRecord, PartialRooms } from '../../store/rooms/partial-rooms.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import { type Millis, millis } from '../../util/brand.ts';
import type { Cancel, Clock } from '../../util/clock.ts';
import { isDiskFull } from '../../util/disk-full.ts';
import type { Log } from '../../util/log.ts';
import type { CommittedEvent, EventObserver } from '../input/observer.ts';
import type { KnownRoom, KnownRooms } from '../known-rooms.ts';
import type { RoomLimits } from '../limits/room-limits.ts';
import type { RoomPurges } from '../purge/room-purge.ts';
import type { RestOfRoom } from '../remote/room-entry.ts';
import type { PartialState } from './partial-state.ts';
import type { RoomCompletion } from './room-completion.ts';
import type { StateFilling } from './state-filling.ts';
import { Watchdog } from './watchdog.ts';

export interface FillingUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly roomState: RoomStateStore;
  readonly partialRooms: PartialRooms;
  readonly clock: Clock;
  readonly log: Log;
  readonly rooms: KnownRooms;
  readonly limits: Pick<RoomLimits, 'guard'>;
  readonly purges: Pick<RoomPurges, 'hold' | 'begin'>;
  readonly gates?: Pick<Gates, 'requireJoin'>;
  readonly partialState: PartialState;
  readonly stateFilling: StateFilling;
  readonly completion: RoomCompletion;
  readonly serverName: ServerName;
  readonly mayTalkTo: (server: ServerName) => boolean;
}

/** How a room that is not complete stands. */
export interface FillingReport extends PartialRoomRecord {
  readonly roomId: RoomId;
  readonly isRunning: boolean;
}

/** Rooms filled in at a time, until it is said otherwise: each has a spool and keeps the writer busy. */
const roomsAtOnce = 2;
/** Answers that are kept open until their turn comes; a room whose answer is not is asked for anew. */
const mostHeld = 2;
/** Servers in the room that are asked besides those that were named. */
const otherServers = 10;
/** Servers that may be wrong in what they leave out before the next one is believed. */
const mostDoubted = 3;
/** After a round over all servers: a minute, two, four … up to an hour; the last after some three hours. */
const firstWait = 60_000;
const longestWait = 3_600_000;
const mostRounds = 8;
/** After that it is tried once a day. */
const dayWait = 24 * 3_600_000;
/** What is short of memory or disk now may have it then. */
const pressureWait = 60_000;
/** A full disk seldom empties by itself, and each try writes all of the answer. */
const diskWait = 10 * 60_000;
const soonest = 1000;

interface Attempt {
  readonly abort: AbortController;
  /** Who is asked. */
  readonly server: ServerName | undefined;
  /** What is here already. */
  readonly rest: RestOfRoom | undefined;
  readonly isStrict: boolean;
  readonly isFirst: boolean;
}

interface Running {
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

/**
 * Fills in the rooms that were entered with a part of their state. Everything that counts is in the database: whatever
 * ends the process, the next one goes on.
 */
export class Filling implements EventObserver {
  readonly follows = { live: [wellKnown.types.member] };
  readonly #uses: FillingUses;
  /** As many as are filled in at a time. */
  readonly #running = new Map<RoomNid, Running>();
  readonly #held = new Map<RoomNid, RestOfRoom>();
  #atOnce = roomsAtOnce;
  /** Has all of our users leave a room. */
  #leave: ((roomId: RoomId) => Promise<void>) | undefined;
  #timer: Cancel | undefined;
  /** Nothing is begun before: what went wrong could not even be noted. */
  #notBefore = 0;

  constructor(uses: FillingUses) {
    this.#uses = uses;
  }

  /** Takes up what an earlier process has left, and from now on what begins. */
  start(leave: (roomId: RoomId) => Promise<void>): void {
    this.#leave = leave;
    const { stateFilling } = this.#uses;
    stateFilling.dropKeptBut((roomId, joinEvent) => this.#waitsFor(roomId, joinEvent));
    this.#look();
  }

  /** Whether that is the join after which members of a room are missing. */
  #waitsFor(roomId: RoomId, joinEvent: EventId): boolean {
    const { interning, partialRooms } = this.#uses;
    const room = interning.findRoom(roomId);
    const record = room === undefined ? undefined : partialRooms.find(room);
    return record !== undefined && !record.filled && interning.eventId(record.joinEvent) === joinEvent;
  }

  /** How many rooms may be filled in at a time. */
  setAtOnce(rooms: number): void {
    this.#atOnce = rooms;
    this.#look();
  }

  /** A room was entered just now. */
  async begin(room: RoomNid, rest: RestOfRoom): Promise<void> {
    const isKept = rest.spool !== undefined && this.#held.size < mostHeld && !this.#running.has(room);
    const old = this.#held.get(room);
    const record = this.#uses.partialRooms.find(room);
    if (isKept && this.#leave !== undefined && record !== undefined) {
      this.#held.set(room, rest);
      this.#uses.stateFilling.keep(rest.spool, record, 'join');
    } else await rest[Symbol.asyncDispose]();
    await old?.[Symbol.asyncDispose]();
    this.#look();
  }

  /** Tries again at once, whatever has failed so far. False for a room that is not partial. */
  retry(roomId: RoomId): boolean {
    const { db, partialRooms, interning } = this.#uses;
    const room = interning.findRoom(roomId);
    if (room === undefined || !partialRooms.has(room)) return false;
    if (!this.#running.has(room)) db.write<void>(() => partialRooms.retry(room));
    this.#look();
    return true;
  }

  /** How rooms stand that are not complete. */
  *report(): Generator<FillingReport> {
    for (const record of this.#all()) {
      const roomId = this.#uses.interning.roomId(record.room);
      yield { ...record, roomId, isRunning: this.#running.has(record.room) };
    }
  }

  /** Whoever leaves last does not wait for the members. */
  onEvent({ row }: CommittedEvent): void {
    const isGone = row.membership === memberships.leave || row.membership === memberships.ban;
    if (!isGone || !this.#uses.partialRooms.has(row.room)) return;
    this.#uses.db.afterCommit(() => this.#look());
  }

  /** Calls off what is under way, and resolves when nothing of it is left: the next start goes on. */
  async stop(): Promise<void> {
    this.#leave = undefined;
    this.#timer?.();
    this.#uses.stateFilling.end();
    const running = [...this.#running.values()];
    for (const { abort } of running) abort.abort();
    await Promise.all(running.map(({ done }) => done));
    for (const rest of this.#held.values()) await rest[Symbol.asyncDispose]();
    this.#held.clear();
  }

  /** Begins what is due, ends what nobody of ours is in any more, and looks again when the next is due. */
  #look(): void {
    const { clock } = this.#uses;
    if (this.#leave === undefined) return;
    this.#timer?.();
    this.#timer = undefined;
    let next = Infinity;
    for (const record of this.#all()) {
      const { room } = record;
      const nextTry = Math.max(record.nextTry, this.#notBefore);
      if (!this.#uses.roomState.hasLocalJoined(room)) {
        if (!this.#tryToEnd(room)) next = Math.min(next, clock.now() + pressureWait);
      } else if (this.#running.has(room)) continue;
      else if (nextTry > clock.now()) next = Math.min(next, nextTry);
      else if (this.#running.size < this.#atOnce) this.#run(record);
    }
    if (next === Infinity) return;
    this.#timer = clock.after(millis(Math.max(soonest, next - clock.now())), () => this.#look());
  }

  *#all(): Generator<PartialRoomRecord> {
    let after: RoomNid | 0 = 0;
    while (true) {
      const page = this.#uses.partialRooms.list(after);
      yield* page;
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.room;
    }
  }

  /** False where the disk is full. */
  #tryToEnd(room: RoomNid): boolean {
    try {
      this.#end(room);
      return true;
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      return false;
    }
  }

  /** Nobody of ours is in it any more: it is a left room like any other. */
  #end(room: RoomNid): void {
    const { db, partialRooms, partialState, log, interning } = this.#uses;
    this.#running.get(room)?.abort.abort();
    db.write<void>(() => partialRooms.end(room));
    partialState.calledOff(room);
    log.info('rooms.filling_called_off', { roomId: interning.roomId(room) });
    this.#drop(room);
  }

  #drop(room: RoomNid): void {
    const roomId = this.#uses.interning.roomId(room);
    this.#uses.stateFilling.dropKeptBut((other) => other !== roomId);
    const rest = this.#held.get(room);
    this.#held.delete(room);
    void rest?.[Symbol.asyncDispose]();
  }

  #run(record: PartialRoomRecord): void {
    const { log, interning, clock } = this.#uses;
    const abort = new AbortController();
    const done = this.#attempt(record, abort)
      .catch((cause: unknown) => {
        log.error('rooms.filling_broke', { roomId: interning.roomId(record.room), cause });
        this.#notBefore = clock.now() + pressureWait;
      })
      .finally(() => {
        this.#running.delete(record.room);
        this.#look();
      });
    this.#running.set(record.room, { abort, done });
  }

  async #attempt(record: PartialRoomRecord, abort: AbortController): Promise<void> {
    const { rooms, interning, gates } = this.#uses;
    // Whoever begins it has not got the promise yet.
    await nextTurn();
    const roomId = interning.roomId(record.room);
    const room = rooms.find(roomId);
    if (room === undefined) return this.#postpone(record.room, 'the room is not to be seen', pressureWait);
    try {
      gates?.requireJoin();
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error;
      // An answer that waits for its turn takes room that others need now.
      if (isLackOfDisk(error)) this.#drop(record.room);
      return this.#postpone(record.room, error.message, pressureWait);
    }
    const servers = this.#servers(record);
    const server = servers[record.tries % Math.max(1, servers.length)];
    const held = this.#held.get(record.room);
    this.#held.delete(record.room);
    try {
      await this.#fill(room, record, {
        abort,
        server,
        rest: held,
        isStrict: record.tries < Math.min(mostDoubted, servers.length),
        isFirst: record.tries === 0 && servers.length > 1,
      });
    } catch (error) {
      await this.#failed(room, record, { error, servers, server: held === undefined ? server : undefined });
    }
  }

  async #fill(
    room: KnownRoom,
    partial: PartialRoomRecord,
    { abort, server, rest, isStrict, isFirst }: Attempt,
  ): Promise<void> {
    const { purges, limits, interning, clock, log, stateFilling, completion, db, partialRooms } = this.#uses;
    await using opened = new AsyncDisposableStack();
    opened.use(rest);
    using _held = purges.hold(room.roomId, room.nid);
    using watchdog = new Watchdog(clock, () => abort.abort(new Error('it takes too long')));
    const guard = rest?.guard ?? limits.guard(interning.userId(partial.user), room.nid, room.roomId);
    const start = clock.monotonic();
    const filling = { room, partial, guard, watchdog, signal: abort.signal };
    if (!partial.filled) {
      log.info('rooms.filling_in', {
        roomId: room.roomId,
        server: rest === undefined ? server : 'the answer to the join',
        tries: partial.tries,
      });
      if (rest?.spool !== undefined) {
        await stateFilling.take(rest.spool, filling, { mayBeStored: false, isStrict: false });
      } else if (await stateFilling.takeUp(filling, isStrict)) {
        // All of it was here already.
      } else if (server === undefined) throw new Error('no server is known that could be asked');
      else await stateFilling.fetch(server, filling, { isStrict, isFirst });
      // It may have been left and entered again meanwhile.
      abort.signal.throwIfAborted();
      db.write<void>(() => partialRooms.fill(room.nid));
      await opened.disposeAsync();
    }
    const { joined, states } = await completion.complete(room, abort.signal);
    if (!partial.filled) guard.complete(states);
    log.info('rooms.filled_in', { roomId: room.roomId, members: joined, ms: Math.round(clock.monotonic() - start) });
  }

  async #failed(
    { nid, roomId }: KnownRoom,
    record: PartialRoomRecord,
    { error, servers, server }: { error: unknown; servers: readonly ServerName[]; server: ServerName | undefined },
  ): Promise<void> {
    const { db, partialRooms, clock, log, partialState } = this.#uses;
    // Stopped, or left.
    if (this.#leave === undefined || partialRooms.find(nid)?.base !== record.base) return;
    if (error instanceof MatrixError) {
      if (error.errcode === 'M_RESOURCE_LIMIT_EXCEEDED' && !isLackOfDisk(error)) await this.#hardStop(roomId, nid);
      else this.#postpone(nid, error.message, pressureWait);
      return;
    }
    if (isDiskFull(error)) return this.#postpone(nid, 'the disk is full', diskWait);
    const problem = error instanceof Error ? error.message : 'it was called off';
    const tries = record.tries + 1;
    const size = Math.max(1, servers.length);
    const round = Math.floor(tries / size);
    const givesUp = round >= mostRounds;
    const wait = tries % size !== 0 ? 0 : Math.min(longestWait, firstWait * 2 ** (round - 1));
    const nextTry = millis(clock.now() + (givesUp ? dayWait : wait));
    db.write<void>(() => partialRooms.setBack(nid, { problem, nextTry, givesUp }));
    log.warn('rooms.filling_failed', { roomId, server, tries, cause: error });
    if (!givesUp || record.givesUp) return;
    log.error('rooms.filling_given_up', { roomId, tries, problem });
    partialState.calledOff(nid);
  }

  #postpone(room: RoomNid, problem: string, wait: number): void {
    const { db, partialRooms, clock } = this.#uses;
    db.write<void>(() => partialRooms.postpone(room, problem, millis(clock.now() + wait) satisfies Millis));
  }

  /** More of the room has come than is allowed: all of ours leave it, and nothing of it is kept. */
  async #hardStop(roomId: RoomId, room: RoomNid): Promise<void> {
    await this.#leave?.(roomId);
    const { roomState, purges, partialRooms } = this.#uses;
    if (roomState.hasLocalJoined(room)) return this.#postpone(room, 'it is larger than allowed', longestWait);
    if (partialRooms.has(room)) this.#end(room);
    purges.begin(roomId);
  }

  /** In the order in which they are asked. */
  #servers({ room, servers }: PartialRoomRecord): ServerName[] {
    const { roomState, interning, serverName, mayTalkTo } = this.#uses;
    const inRoom = roomState.servers.current(room, 0, otherServers).map(({ server }) => interning.serverName(server));
    const all = new Set([...servers, ...inRoom]);
    all.delete(serverName);
    return [...all].filter(mayTalkTo);
  }
}

/** That nothing may be written any more, in contrast to a room that is too large. */
const isLackOfDisk = ({ status }: MatrixError): boolean => status === 507;
