import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RoomId } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { RoomPurgeStore } from '../../store/limits/room-purge.ts';
import type { RoomNid } from '../../store/nids.ts';
import type { PushCountStore } from '../../store/push/push-counts.ts';
import type { PartialRooms } from '../../store/rooms/partial-rooms.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import type { StateImports } from '../../store/state/state-import.ts';
import type { HistoryFloors } from '../../store/thinning/history-floors.ts';
import type { KeptMessages } from '../../store/thinning/kept-messages.ts';
import type { OldEvents } from '../../store/thinning/old-events.ts';
import type { OldPlaces } from '../../store/thinning/old-places.ts';
import type { ReceptionMarks } from '../../store/thinning/reception-marks.ts';
import type { StrayMessages } from '../../store/thinning/stray-messages.ts';
import type { Thinned, Thinning, ThinningJobs } from '../../store/thinning/thinning-jobs.ts';
import type { Boundary } from '../../store/timeline.ts';
import type { Streams } from '../../streams/streams.ts';
import { type Millis, millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import type { Log } from '../../util/log.ts';
import type { OldEventRemoval } from './old-event-removal.ts';
import type { OldHistory } from './old-history.ts';

export interface HistoryThinningUses {
  readonly db: Database;
  readonly streams: Streams;
  readonly clock: Clock;
  readonly log: Log;
  readonly interning: Interning;
  readonly events: EventStore;
  readonly roomState: RoomStateStore;
  readonly pushCounts: PushCountStore;
  readonly partialRooms: Pick<PartialRooms, 'has'>;
  readonly stateImports: Pick<StateImports, 'find'>;
  readonly roomPurges: Pick<RoomPurgeStore, 'isPending'>;
  readonly historyFloors: HistoryFloors;
  readonly oldEvents: OldEvents;
  readonly keptMessages: KeptMessages;
  readonly oldPlaces: OldPlaces;
  readonly receptionMarks: ReceptionMarks;
  readonly thinningJobs: ThinningJobs;
  readonly strayMessages: StrayMessages;
  readonly oldHistory: OldHistory;
  readonly removal: OldEventRemoval;
  /** How old messages may grow. */
  readonly maxAge: Millis | undefined;
}

/** Milliseconds of a slice, and events taken in one at most. */
const sliceTime = 8;
const eventsPerSlice = 50;
/** Each may have a thousand notifications. */
const usersPerSlice = 5;
const keptPerSlice = 50;
const reportsPerSlice = 500;
/** Rooms looked at in a slice for messages that have grown too old. */
const roomsPerSlice = 20;
/** Events looked at in a slice for messages without a place, of which there are few. */
const lookedAt = 500;
/** Between the beginnings of two looks at all events for such messages. */
const lookForStraysEvery = 7 * 24 * 60 * 60_000;
/** Between two notes of what has come by then: that exactly the age of what came is known. */
const markEvery = 60 * 60_000;
/** Between two looks at all rooms. */
const lookEvery = 60 * 60_000;

/** What a slice of a stage leaves: where it goes on; `undefined`: the stage is done. Inside a write. */
type Stage = (job: Thinning) => number | undefined;

/**
 * Deletes the old history of rooms, slice by slice. After each slice the room is what it is when its history begins
 * there: nothing has to be finished for it to be right.
 */
export class HistoryThinning {
  readonly #uses: HistoryThinningUses;
  readonly #stages: readonly Stage[] = [
    (job) => this.#notifications(job),
    (job) => this.#events(job),
    (job) => this.#kept(job),
    (job) => this.#rest(job),
  ];
  #looked = -Infinity;
  #cursor: RoomNid | 0 = 0;

  constructor(uses: HistoryThinningUses) {
    this.#uses = uses;
  }

  /** Does a slice of a few milliseconds; false: there is nothing to do. Not while the time is unknown. */
  slice(): boolean {
    const { clock, thinningJobs } = this.#uses;
    if (!clock.isRight) return false;
    this.mark(markEvery);
    for (let job = thinningJobs.next(0); job !== undefined; job = thinningJobs.next(job.room)) {
      if (!this.mayThin(job.room)) continue;
      this.#slice(job);
      return true;
    }
    return this.maySpeakOfAge() && (this.#look() || this.#strays());
  }

  /** Notes what has come by now, unless that was done lately. */
  mark(interval = 0): void {
    const { db, clock, streams, receptionMarks } = this.#uses;
    const [pos, now] = [streams.now(), clock.now()];
    if (!clock.isRight || !receptionMarks.isDue(pos, now, interval)) return;
    db.write<void>(() => receptionMarks.add(pos, now));
  }

  /** Whether it is certain enough how old something is to delete it without being asked. */
  maySpeakOfAge(): boolean {
    const { clock, receptionMarks } = this.#uses;
    return clock.isRight && receptionMarks.isSteady(clock.now());
  }

  /** Whether the room's history may be deleted now: all of the room is here, and stays. */
  mayThin(room: RoomNid): boolean {
    const { roomState, partialRooms, stateImports, roomPurges } = this.#uses;
    if (roomState.info(room) === undefined || roomPurges.isPending(room)) return false;
    return !partialRooms.has(room) && stateImports.find(room) === undefined;
  }

  /** From now on the history up to a place is deleted, by `slice`. False if that cannot be begun. */
  begin(room: RoomNid, upTo: Boundary): boolean {
    const { db, thinningJobs, log, interning } = this.#uses;
    if (!this.mayThin(room)) return false;
    db.write<void>(() => thinningJobs.begin(room, upTo));
    log.info('thinning.begins', { room: interning.roomId(room) });
    return true;
  }

  /**
   * Deletes the history of a room that is older than a time, at once. `undefined`: the room is not known, or is not
   * all here.
   */
  async thin(roomId: RoomId, olderThan: Millis): Promise<Thinned | undefined> {
    const { interning, clock, oldHistory } = this.#uses;
    const room = interning.findRoom(roomId);
    if (room === undefined || !clock.isRight || !this.mayThin(room)) return undefined;
    this.mark();
    const time = millis(clock.now() - olderThan);
    let sum = nothing;
    for (let upTo = oldHistory.before(room, time); upTo !== undefined; upTo = oldHistory.before(room, time)) {
      const done = this.begin(room, upTo) ? await this.#finish(room) : undefined;
      if (done === undefined) break;
      sum = added(sum, done);
    }
    return sum;
  }

  async #finish(room: RoomNid): Promise<Thinned | undefined> {
    const { thinningJobs } = this.#uses;
    let last: Thinned | undefined;
    for (let job = thinningJobs.find(room); job !== undefined; job = thinningJobs.find(room)) {
      if (!this.mayThin(room)) return last;
      last = job;
      this.#slice(job);
      await nextTurn();
    }
    return last;
  }

  #slice(job: Thinning): void {
    const { db, thinningJobs, log, interning } = this.#uses;
    const { room, stage, cursor } = job;
    const run = this.#stages[stage];
    if (run === undefined) {
      const { events, states, bytes } = job;
      db.write<void>(() => thinningJobs.end(room));
      log.info('thinning.done', { room: interning.roomId(room), events, states, bytes });
      return;
    }
    db.write<void>(() => {
      const next = run({ ...job, cursor });
      thinningJobs.move(room, next === undefined ? stage + 1 : stage, next ?? 0);
    });
  }

  /** What notified our users of what is going to be deleted. */
  #notifications(job: Thinning): number | undefined {
    const { roomState, pushCounts, streams, oldPlaces } = this.#uses;
    const upTo = oldPlaces.liveUpTo(job);
    const users = roomState
      .localsIn(job.room)
      .map(({ user }) => user)
      .filter((user) => user > job.cursor)
      .sort((left, right) => left - right)
      .slice(0, usersPerSlice);
    for (const user of users) {
      if (pushCounts.forgetUpTo(user, job.room, upTo, streams.next())) streams.touchUser(user);
    }
    return users.length < usersPerSlice ? undefined : users.at(-1);
  }

  #events(job: Thinning): number | undefined {
    const { historyFloors, oldEvents, oldPlaces, thinningJobs, removal } = this.#uses;
    const page = oldPlaces.page(job.room, historyFloors.of(job.room), job, eventsPerSlice);
    let sum = nothing;
    const taken = this.#inTime(page, (row) => {
      sum = added(sum, removal.take(row));
    });
    thinningJobs.count(job.room, sum);
    oldEvents.forgetMissing(
      job.room,
      taken.map(({ nid }) => nid),
    );
    const last = taken.at(-1);
    const isDone = taken.length < eventsPerSlice && taken.length === page.length;
    if (last !== undefined || isDone) this.#raise(job.room, isDone || last === undefined ? job : last);
    return isDone ? undefined : 0;
  }

  /** The history begins with the first event that is left, wherever a gap lies before it. */
  #raise(room: RoomNid, to: Boundary): void {
    const { historyFloors, oldPlaces } = this.#uses;
    const first = oldPlaces.first(room, to);
    const floor = first === undefined || first.segment === to.segment ? to : { ...first, idx: first.idx - 1 };
    historyFloors.raise(room, floor);
    oldPlaces.closeSegments(room, floor);
  }

  /** Messages that stayed although their places went, and are not needed any more. */
  #kept({ room, cursor }: Thinning): number | undefined {
    const { keptMessages, events, removal, thinningJobs } = this.#uses;
    const page = keptMessages.page(room, cursor, keptPerSlice);
    const looked = this.#inTime(page, (nid) => {
      const row = events.row(nid);
      if (row === undefined || row.segment !== null || removal.isNeeded(row)) return;
      thinningJobs.count(room, { events: 1, states: 0, bytes: removal.delete(row) });
    });
    return looked.length < keptPerSlice && looked.length === page.length ? undefined : looked.at(-1);
  }

  #rest({ room, cursor }: Thinning): number | undefined {
    const { oldEvents, oldPlaces, historyFloors } = this.#uses;
    const floor = historyFloors.of(room);
    if (cursor === 0 && floor !== undefined) oldPlaces.forgetFollowed(floor);
    return oldEvents.forgetReports(room, cursor, reportsPerSlice);
  }

  /** Does something with as many as time allows, which are answered: some events are a hundred times as long as others. */
  #inTime<T>(items: readonly T[], each: (item: T) => void): readonly T[] {
    const { clock } = this.#uses;
    const start = clock.monotonic();
    for (const [index, item] of items.entries()) {
      each(item);
      if (clock.monotonic() - start > sliceTime) return items.slice(0, index + 1);
    }
    return items;
  }

  /** Looks for messages that have grown too old, in some rooms; false after the last of them. */
  #look(): boolean {
    const { clock, maxAge, thinningJobs, oldHistory } = this.#uses;
    if (maxAge === undefined) return false;
    if (this.#cursor === 0 && clock.monotonic() - this.#looked < lookEvery) return false;
    const page = thinningJobs.rooms(this.#cursor, roomsPerSlice);
    for (const room of page) {
      const upTo = this.mayThin(room) ? oldHistory.before(room, millis(clock.now() - maxAge)) : undefined;
      if (upTo !== undefined) this.begin(room, upTo);
    }
    this.#cursor = page.length < roomsPerSlice ? 0 : (page.at(-1) ?? 0);
    this.#looked = clock.monotonic();
    return page.length === roomsPerSlice || thinningJobs.next(0) !== undefined;
  }

  /**
   * Messages that have no place, and so no neighbours that tell their age: they are as old as their IDs here. False
   * after the last that can be too old.
   */
  #strays(): boolean {
    const { db, clock, maxAge, receptionMarks, strayMessages, removal } = this.#uses;
    if (maxAge === undefined) return false;
    const end = receptionMarks.heardOfBy(millis(clock.now() - maxAge));
    const last = strayMessages.look;
    // What was there before may be there again, under its old number.
    const isNew = last === undefined || clock.now() - last.since >= lookForStraysEvery;
    const look = isNew ? { since: clock.now(), upTo: 0 as const } : last;
    if (end === undefined || end <= look.upTo) return false;
    return db.write(() => {
      const page = strayMessages.page(look.upTo, end, lookedAt);
      const looked = this.#inTime(page, (row) => {
        if (!strayMessages.isStray(row) || !this.mayThin(row.room) || removal.isNeeded(row)) return;
        removal.delete(row);
      });
      const isDone = looked.length < lookedAt && looked.length === page.length;
      strayMessages.setLook({ ...look, upTo: isDone ? end : (looked.at(-1)?.nid ?? end) });
      return !isDone;
    });
  }
}

const nothing: Thinned = { events: 0, states: 0, bytes: 0 };

function added(left: Thinned, right: Thinned): Thinned {
  return {
    events: left.events + right.events,
    states: left.states + right.states,
    bytes: left.bytes + right.bytes,
  };
}
