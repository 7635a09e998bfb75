import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Gates } from '../../governor/gates.ts';
import { Slots } from '../../outbound/slots.ts';
import { limitExceeded, MatrixError } from '../../protocol/errors.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import type { Extremities } from '../../store/events/extremities.ts';
import type { RoomNid, StatePoint } from '../../store/nids.ts';
import type { MergedPoints } from '../../store/state/merged-points.ts';
import type { CurrentChange, RoomStateStore } from '../../store/state/room-state-store.ts';
import type { StateChange, StateLog } from '../../store/state/state-log.ts';
import type { UnsettledRooms } from '../../store/state/unsettled-rooms.ts';
import type { Streams } from '../../streams/streams.ts';
import { millis } from '../../util/brand.ts';
import type { Cancel, Clock } from '../../util/clock.ts';
import type { Log } from '../../util/log.ts';
import { Lru } from '../../util/lru.ts';
import type { ResolutionAnswer, ResolutionRequest } from '../../workers/resolution-job.ts';
import type { RoomInput } from '../input/input.ts';
import type { KnownRooms } from '../known-rooms.ts';
import type { ResolvedRoom, StateEngine } from './state-engine.ts';

export interface ResolutionsUses {
  readonly db: Database;
  readonly extremities: Extremities;
  readonly mergedPoints: MergedPoints;
  readonly roomState: RoomStateStore;
  readonly stateLog: StateLog;
  readonly unsettled: UnsettledRooms;
  readonly streams: Streams;
  readonly clock: Clock;
  readonly log: Log;
  readonly known: KnownRooms;
  readonly stateEngine: StateEngine;
  readonly input: Pick<RoomInput, 'correct'>;
  /** Resolves beside the main thread. */
  readonly resolve: (request: Omit<ResolutionRequest, 'file'>) => Promise<ResolutionAnswer>;
  /** Where resolutions wait while there is next to no memory. */
  readonly gates?: Pick<Gates, 'roomier'>;
}

/** There is one worker thread. */
const atOnce = 1;
/** Conflicts that wait for it, and of them those that one server has brought up: each holds up the lane of its room. */
const longestQueue = 20;
const perServer = 2;
const comeBack = 10_000;
/** A room's current state is resolved again only after a few times what it took: the thread has other work. */
const restFactor = 3;
const shortestRest = 1000;
/** After a conflict that is above all bounds. */
const longestRest = 10 * 60_000;
const remembered = 256;
/** Entries written in one transaction: some ten milliseconds. */
const writtenTogether = 200;
/** Ends whose states are looked up before others get their turn. */
const endsTogether = 200;
const roomsLooked = 200;

type Resolved = Extract<ResolutionAnswer, { isTooLarge: false }>;

/**
 * Resolves conflicts that are too large for the main thread: one at a time, in a worker. What an event follows is
 * resolved while the event waits; a room's current state is resolved afterwards, once for all that came meanwhile, and
 * stays what it was until then. A crash loses nothing of that.
 */
export class Resolutions {
  readonly #uses: ResolutionsUses;
  readonly #slots = new Slots(atOnce, longestQueue);
  readonly #byServer = new Map<ServerName, number>();
  /** When rooms may be settled again. */
  readonly #rests = new Lru<RoomNid, number>(remembered);
  #settling: Promise<void> | undefined;
  /** A room was left unsettled while others were being settled; perhaps just after the last look for such rooms. */
  #isWoken = false;
  #cancel: Cancel = () => {};
  #stopped = true;
  readonly #stopping = new AbortController();

  constructor(uses: ResolutionsUses) {
    this.#uses = uses;
    uses.stateEngine.onUnsettled(() => uses.db.afterCommit(() => this.#wake()));
  }

  /** Begins with the rooms that were left unsettled. */
  start(): void {
    this.#stopped = false;
    this.#wake();
  }

  /** Resolves when nothing is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopping.abort();
    this.#cancel();
    await this.#settling;
  }

  /**
   * Resolves states so that `StateEngine.merge` finds the result. False if they disagree on too much. Throws 429
   * M_LIMIT_EXCEEDED while too many wait, or too many for the sake of that server.
   */
  async prepare(room: ResolvedRoom, points: readonly StatePoint[], origin: ServerName): Promise<boolean> {
    const waiting = this.#byServer.get(origin) ?? 0;
    if (waiting >= perServer) throw limitExceeded(comeBack);
    this.#byServer.set(origin, waiting + 1);
    try {
      const { corrections } = this.#uses.stateEngine;
      const answer = await this.#resolve(room, points);
      if (answer !== undefined) await this.#keep(room, points, answer, corrections);
      return answer !== undefined;
    } finally {
      const left = (this.#byServer.get(origin) ?? 1) - 1;
      if (left > 0) this.#byServer.set(origin, left);
      else this.#byServer.delete(origin);
    }
  }

  /** `undefined` if it is too large. */
  async #resolve(room: ResolvedRoom, points: readonly StatePoint[], from?: StatePoint): Promise<Resolved | undefined> {
    const { clock, stateEngine, log, resolve, gates } = this.#uses;
    if (!(await this.#slots.take())) throw limitExceeded(comeBack);
    await gates?.roomier(this.#stopping.signal);
    const start = clock.monotonic();
    const { corrections } = stateEngine;
    try {
      const { version } = room.rules;
      const answer = await resolve({ version, points, ...(from === undefined ? {} : { from }) });
      const ms = clock.monotonic() - start;
      if (answer.isTooLarge) {
        log.warn('state.not_resolved', { room: room.nid, sets: points.length, ms: Math.round(ms) });
        return undefined;
      }
      // States were corrected where they were: the answer may be about what they were before.
      if (stateEngine.corrections !== corrections) throw limitExceeded(comeBack);
      if (answer.cost !== undefined) stateEngine.resolved(room.nid, answer.cost, ms, 'worker');
      return answer;
    } finally {
      this.#slots.giveBack();
    }
  }

  /**
   * As a fork, written in slices, to which nothing points before it is complete; nor then, if states were corrected
   * since there were so many `corrections`.
   */
  async #keep(
    room: ResolvedRoom,
    points: readonly StatePoint[],
    { base, overrides }: Resolved,
    corrections: number,
  ): Promise<void> {
    const { db, stateLog, streams, mergedPoints, stateEngine } = this.#uses;
    let result = base;
    for (let at = 0; at < overrides.length; at += writtenTogether) {
      const slice: readonly StateChange[] = overrides.slice(at, at + writtenTogether);
      if (at > 0) await nextTurn();
      result = db.write(() => {
        const fork = at > 0 ? result : { line: stateLog.createLine(room.nid, 'fork', base), pos: streams.next() };
        stateLog.append(fork.line, fork.pos, slice);
        return fork;
      });
    }
    if (stateEngine.corrections !== corrections) throw limitExceeded(comeBack);
    db.write<void>(() => mergedPoints.set(room.nid, points, result));
  }

  #wake(): void {
    if (this.#stopped) return;
    this.#isWoken = true;
    if (this.#settling !== undefined) return;
    this.#cancel();
    this.#settling = this.#settleAll().finally(() => {
      this.#settling = undefined;
      if (this.#isWoken) this.#wake();
    });
  }

  async #settleAll(): Promise<void> {
    while (!this.#stopped) {
      this.#isWoken = false;
      const { room, wait } = this.#next();
      if (room === undefined) {
        if (wait !== undefined) this.#cancel = this.#uses.clock.after(millis(wait), () => this.#wake());
        return;
      }
      const { clock, log } = this.#uses;
      const start = clock.monotonic();
      let rest = longestRest;
      try {
        if (await this.#settle(room)) rest = Math.max(shortestRest, restFactor * (clock.monotonic() - start));
      } catch (error) {
        // What is busy now is not for long.
        if (error instanceof MatrixError) rest = shortestRest;
        else log.error('state.settling_failed', { room, error });
      }
      this.#rests.set(room, clock.monotonic() + rest);
    }
  }

  /** A room that may be settled now; else how long until there is one. */
  #next(): { readonly room?: RoomNid; readonly wait?: number } {
    const { unsettled, clock } = this.#uses;
    const now = clock.monotonic();
    let soonest = Number.POSITIVE_INFINITY;
    for (const room of unsettled.list(0, roomsLooked)) {
      const rest = this.#rests.get(room) ?? 0;
      if (rest <= now) return { room };
      soonest = Math.min(soonest, rest - now);
    }
    return soonest === Number.POSITIVE_INFINITY ? {} : { wait: Math.ceil(soonest) };
  }

  /**
   * Makes the state that a room's ends resolve to its current one. What comes in meanwhile is resolved the next time:
   * then the room stays unsettled. False if it cannot be done for now.
   */
  async #settle(nid: RoomNid): Promise<boolean> {
    const { db, roomState, known, unsettled } = this.#uses;
    const info = roomState.info(nid);
    if (info === undefined) {
      db.write<void>(() => unsettled.remove(nid));
      return true;
    }
    const room = { nid, rules: known.rulesOf(nid) };
    const forward = this.#uses.extremities.forward(nid);
    const points = await this.#pointsAfter(forward);
    if (points === undefined) return false;
    const tip = roomState.tip(nid);
    const answer = await this.#resolve(room, points, tip);
    if (answer === undefined) return false;
    const isDone = await this.#apply(nid, answer.changes, tip);
    db.write<void>(() => {
      if (!isDone) return;
      const now = this.#uses.extremities.forward(nid);
      const isSame = now.length === forward.length && now.every((end, index) => end === forward[index]);
      if (isSame && roomState.info(nid) !== undefined) unsettled.remove(nid);
    });
    return true;
  }

  async #pointsAfter(forward: readonly Parameters<StateEngine['stateAfter']>[0][]): Promise<StatePoint[] | undefined> {
    const { stateEngine, stateLog } = this.#uses;
    const points = new Map<string, StatePoint>();
    for (const [index, end] of forward.entries()) {
      if (index % endsTogether === endsTogether - 1) await nextTurn();
      const point = stateEngine.stateAfter(end);
      if (point === undefined) return undefined;
      const normal = stateLog.normalise(point);
      points.set(`${normal.line}:${normal.pos}`, normal);
    }
    return points.size === 0 ? undefined : [...points.values()];
  }

  /** In slices, as long as nobody else changes the current state; what is left then is found out the next time. */
  async #apply(room: RoomNid, changes: Resolved['changes'], tip: StatePoint): Promise<boolean> {
    const { db, roomState, input } = this.#uses;
    let expected = tip;
    for (let at = 0; at < changes.length; at += writtenTogether) {
      const slice = changes.slice(at, at + writtenTogether);
      if (at > 0) await nextTurn();
      const isOurs = db.write<boolean>(() => {
        const now = roomState.info(room) === undefined ? undefined : roomState.tip(room);
        if (now?.line !== expected.line || now.pos !== expected.pos) return false;
        input.correct(
          room,
          slice.map(([key, event]): CurrentChange => ({ key, event })),
        );
        expected = roomState.tip(room);
        return true;
      });
      if (!isOurs) return false;
    }
    return true;
  }
}
