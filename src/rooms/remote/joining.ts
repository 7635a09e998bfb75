import type { RemoteFailure, RemoteStream } from '../../federation/client.ts';
import { Slots } from '../../outbound/slots.ts';
import { MatrixError } from '../../protocol/errors.ts';
import type { RoomId, ServerName, UserId } from '../../protocol/ids/types.ts';
import { JsonCutter } from '../../protocol/json-stream/json-cutter.ts';
import { parseExactJson } from '../../protocol/parse-json.ts';
import type { Database } from '../../store/db.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { RoomNid } from '../../store/nids.ts';
import type { PendingJoins } from '../../store/rooms/pending-joins.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import { millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import type { JsonObject } from '../../util/json.ts';
import { KeyedQueue } from '../../util/keyed-queue.ts';
import type { Log } from '../../util/log.ts';
import type { RoomLimits } from '../limits/room-limits.ts';
import type { RoomPurges } from '../purge/room-purge.ts';
import type { VersionedRoom } from '../receive/auth-judge.ts';
import { askInTurn, badAnswer, type Handshakes, isFailure } from './handshakes.ts';
import { isTheirFault, type RestOfRoom, type RoomEntry } from './room-entry.ts';
import type { SignedWish, Wish } from './template.ts';

/** Takes in events of a room that we are in, whoever made them. */
export interface EventReceiver {
  receive(
    origin: ServerName,
    pdus: readonly unknown[],
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<string, { readonly error?: string }>>;
}

export interface JoiningUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly roomState: RoomStateStore;
  readonly pendingJoins: PendingJoins;
  readonly clock: Clock;
  readonly log: Log;
  readonly handshakes: Handshakes;
  readonly entry: RoomEntry;
  readonly limits: Pick<RoomLimits, 'guard'>;
  readonly purges: Pick<RoomPurges, 'hold'>;
  readonly filler: RoomFiller;
  /** Whoever changes a room's history runs in its lane. */
  readonly receiver: () => EventReceiver & { readonly lanes: KeyedQueue<RoomNid> };
}

/** Gets the members of rooms that were entered without them. */
export interface RoomFiller {
  begin(room: RoomNid, rest: RestOfRoom): Promise<void>;
}

export interface JoinWish {
  readonly roomId: RoomId;
  readonly userId: UserId;
  readonly servers: readonly ServerName[];
  readonly said: Readonly<JsonObject>;
  /** The room is known to have few members: they come with the answer. */
  readonly isSmall?: boolean;
}

/** Rooms entered at a time: each has a spool and keeps the writer busy. */
const roomsAtOnce = 2;
/** Joins that wait for one of these. */
const longestQueue = 50;
/** Joins of our users to one room that wait for the first of them. */
const waitingForOne = 100;
/** All of a join: as many servers as there are, and a room of any size from a slow one. */
const longestJoin = millis(30 * 60_000);
/** How often an interrupted join is taken up again, so that one which ends the process does not do so for ever. */
const mostTries = 5;
/** How often it is tried to take back there what has failed here, some ten minutes in all. */
const mostLeaves = 40;
/** Servers that are asked for it each time. */
const askedToLeave = 3;
/** For events of a room that is being entered; servers wait a minute or so for an answer. */
const longestWait = millis(30_000);
/** For taking back what a join that failed here has begun there. */
const leaveTimeout = millis(20_000);
/** Of an answer of which only the event is wanted. */
const maxEventBytes = 256 * 1024;

const busy = () => new MatrixError(503, 'M_UNKNOWN', 'Too many rooms are being joined at the moment: try again later');

/** Lets our users into rooms through servers that are in them. */
export class Joining {
  readonly #uses: JoiningUses;
  readonly #joins = new KeyedQueue<RoomNid>(waitingForOne);
  /** Rooms that are being entered: as many as there are slots. */
  readonly #entering = new Map<RoomNid, Promise<unknown>>();
  readonly #slots = new Slots(roomsAtOnce, longestQueue);
  readonly #running = new Map<AbortController, Promise<unknown>>();
  /** Rooms whose other servers could not be told that nobody of ours is in: until that is noted. */
  readonly #untold = new Set<RoomNid>();
  #resuming: Promise<void> | undefined;
  #stopped = false;

  constructor(uses: JoiningUses) {
    this.#uses = uses;
  }

  /** How many rooms may be entered at a time. */
  setAtOnce(rooms: number): void {
    this.#slots.resize(rooms);
  }

  /** Whether one of our users is in the room, so that its state is here. */
  isInside(room: RoomNid): boolean {
    return this.#uses.roomState.localJoined(room).length > 0;
  }

  /**
   * Enters a room that none of our users is in. False if somebody else of ours has entered it meanwhile: then it takes
   * no other server any more. Throws what the client is told.
   */
  async enter(wish: JoinWish): Promise<boolean> {
    const { db, interning } = this.#uses;
    return this.#enter(
      db.write(() => interning.room(wish.roomId)),
      wish,
      false,
    );
  }

  /** Takes up what a crash has interrupted. Whoever wanted it is not told when it fails. */
  resume(): void {
    if (this.#resuming !== undefined || this.#stopped) return;
    this.#resuming = this.#resumeAll()
      .catch((cause: unknown) => this.#uses.log.error('rooms.joins_not_resumed', { cause }))
      .finally(() => {
        this.#resuming = undefined;
      });
  }

  async #resumeAll(): Promise<void> {
    const { db, interning, pendingJoins } = this.#uses;
    let after: RoomNid | 0 = 0;
    while (!this.#stopped) {
      const [join] = pendingJoins.list(after);
      if (join === undefined) return;
      after = join.room;
      if (this.#entering.has(join.room)) continue;
      const roomId = interning.roomId(join.room);
      const userId = interning.userId(join.user);
      const wish = { ...join, roomId, userId };
      if (this.isInside(join.room)) db.write<void>(() => pendingJoins.end(join.room));
      else if (join.tries >= mostTries) await this.#joins.run(join.room, () => this.#giveUp(wish, join.tries));
      else await this.#takeUp(wish, join.tries + 1 < mostTries);
    }
  }

  async #takeUp(wish: JoinWish & { readonly room: RoomNid }, isPatient: boolean): Promise<void> {
    const { db, pendingJoins, log } = this.#uses;
    const { room, roomId, userId } = wish;
    db.write<void>(() => pendingJoins.tried(room));
    log.info('rooms.join_resumed', { roomId, userId });
    try {
      await this.#enter(room, wish, isPatient);
    } catch (cause) {
      log.warn('rooms.join_not_resumed', { roomId, userId, cause });
    }
  }

  /** What it has left here is removed as soon as nothing speaks of it any more. */
  async #giveUp(wish: JoinWish & { readonly room: RoomNid }, tries: number): Promise<void> {
    const { db, pendingJoins, log } = this.#uses;
    const { room, roomId, userId, servers } = wish;
    // Somebody has come in after all.
    if (this.#stopped || this.isInside(room)) return;
    if (tries === mostTries) log.warn('rooms.join_given_up', { roomId, userId });
    const isOver = (await this.#leaveAgain(servers, wish)) || tries >= mostTries + mostLeaves;
    db.write<void>(() => (isOver ? pendingJoins.end(room) : pendingJoins.tried(room)));
  }

  /** `isPatient`: what failed for want of an answer is tried again later. */
  async #enter(nid: RoomNid, wish: JoinWish, isPatient: boolean): Promise<boolean> {
    const entered = this.#joins.run(nid, async () => {
      if (this.#stopped) throw busy();
      if (this.isInside(nid)) return false;
      if (!(await this.#slots.take())) throw busy();
      try {
        const entering = this.#bounded((signal) => this.#enterNoted(nid, wish, isPatient, signal));
        this.#entering.set(nid, entering);
        await entering;
        return true;
      } finally {
        this.#entering.delete(nid);
        this.#slots.giveBack();
      }
    });
    if (entered === undefined) throw busy();
    return entered;
  }

  /**
   * Resolves when the room, which is just being entered, is entered or not, or after half a minute; `undefined` if it is
   * not being entered. What happens there meanwhile cannot be judged before.
   */
  whenEntered(roomId: string): Promise<void> | undefined {
    const nid = this.#uses.interning.findRoom(roomId);
    const entering = nid === undefined ? undefined : this.#entering.get(nid);
    if (entering === undefined) return undefined;
    return new Promise((resolve) => {
      const cancel = this.#uses.clock.after(longestWait, resolve);
      const ended = () => {
        cancel();
        resolve();
      };
      entering.then(ended, ended);
    });
  }

  /**
   * Lets a user into a room that others of ours are in, with the word of another server: for a restricted room that
   * nobody of ours may let anybody into.
   */
  async vouchedFor(wish: JoinWish): Promise<void> {
    await this.#bounded((signal) =>
      askInTurn(
        wish.servers,
        (server) =>
          this.#handshake(server, wish, signal, (made, answer) => this.#receive(server, made, answer, signal)),
        signal,
      ),
    );
  }

  /** Calls off what is under way, and resolves when nothing of it is left. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const abort of this.#running.keys()) abort.abort();
    await Promise.allSettled([...this.#running.values(), this.#resuming]);
  }

  #bounded<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const abort = new AbortController();
    const cancel = this.#uses.clock.after(longestJoin, () => abort.abort());
    const done = work(abort.signal).finally(() => {
      this.#running.delete(abort);
      cancel();
    });
    this.#running.set(abort, done);
    return done;
  }

  /** With a note of it, by which the next start takes it up if this process does not live to see its end. */
  async #enterNoted(nid: RoomNid, wish: JoinWish, isPatient: boolean, signal: AbortSignal): Promise<void> {
    const { db, interning, pendingJoins } = this.#uses;
    const { servers, said } = wish;
    await db.durable<void>(() => pendingJoins.begin({ room: nid, user: interning.user(wish.userId), servers, said }));
    let isLater = false;
    try {
      await this.#enterBy(nid, wish, signal);
    } catch (error) {
      isLater = isPatient && (this.#stopped || (error instanceof MatrixError && error.status >= 500));
      throw error;
    } finally {
      const isUntold = this.#untold.delete(nid);
      if (!isLater) db.write<void>(() => (isUntold ? pendingJoins.exhaust(nid, mostTries) : pendingJoins.end(nid)));
    }
  }

  async #enterBy(nid: RoomNid, wish: JoinWish, signal: AbortSignal): Promise<void> {
    const { lanes } = this.#uses.receiver();
    let half: ServerName | undefined;
    const attempt = (server: ServerName) =>
      this.#handshake(server, wish, signal, async (made, answer) => {
        const room = { nid, roomId: wish.roomId, rules: made.rules };
        // Whatever happens from here on: there the user is in the room.
        half = server;
        const servers = [server, ...wish.servers.filter((other) => other !== server)] as const;
        const result = await lanes.run(nid, () => this.#import(servers, room, made, answer, signal));
        if (result === undefined) return badAnswer(server, 'too much waits for the room');
        return result;
      });
    try {
      await askInTurn(wish.servers, attempt, signal);
    } catch (error) {
      // Whoever stops the server does not wait for another one.
      if (half !== undefined && !this.#stopped) {
        const told = await this.#leaveAgain([half, ...wish.servers.filter((server) => server !== half)], wish);
        if (!told) this.#untold.add(nid);
      }
      throw error;
    }
  }

  async #handshake<T extends object>(
    server: ServerName,
    wish: JoinWish,
    signal: AbortSignal,
    finish: (made: SignedWish, answer: RemoteStream) => Promise<T | RemoteFailure>,
  ): Promise<T | RemoteFailure> {
    const { handshakes } = this.#uses;
    const join: Wish = { ...wish, kind: 'join' };
    const made = await handshakes.make(server, join, signal);
    if (isFailure(made)) return made;
    const omitMembers = wish.isSmall !== true;
    const answer = await handshakes.sendJoin(server, join, made, { omitMembers, signal });
    return answer.ok ? finish(made, answer) : answer;
  }

  async #import(
    servers: readonly [ServerName, ...ServerName[]],
    room: VersionedRoom,
    made: SignedWish,
    answer: RemoteStream,
    signal: AbortSignal,
  ): Promise<SignedWish | RemoteFailure> {
    const { entry, log, clock, limits, purges, filler } = this.#uses;
    const { roomId } = room;
    const [server] = servers;
    // A purge may have begun while the other server was asked.
    using _held = purges.hold(roomId, room.nid);
    const start = clock.monotonic();
    const guard = limits.guard(made.event.pdu.sender, room.nid, roomId);
    let rest: RestOfRoom | undefined;
    try {
      rest = await entry.enter(room, made.event, answer.body, { signal, guard, servers });
    } catch (error) {
      if (!isTheirFault(error) && !signal.aborted) throw error;
      log.warn('rooms.join_failed', { server, roomId, cause: error });
      return badAnswer(server, error instanceof Error ? error.message : 'the join was called off');
    }
    const isPartial = rest !== undefined;
    log.info('rooms.joined', { server, roomId, isPartial, ms: Math.round(clock.monotonic() - start) });
    if (rest !== undefined) await filler.begin(room.nid, rest);
    return made;
  }

  /** Of the answer only the join itself is news: it comes back with the other server's signature. */
  async #receive(
    server: ServerName,
    made: SignedWish,
    { body }: RemoteStream,
    signal: AbortSignal,
  ): Promise<SignedWish | RemoteFailure> {
    let event: unknown;
    try {
      event = await memberOf(body, 'event');
    } catch (error) {
      if (!isTheirFault(error) && !signal.aborted) throw error;
    }
    if (event === undefined) return badAnswer(server, 'the join does not come back');
    const { eventId } = made.event;
    const results = await this.#uses.receiver().receive(server, [event], signal);
    const result = results.get(eventId);
    if (result === undefined) return badAnswer(server, 'another event comes back than the join');
    return result.error === undefined ? made : badAnswer(server, result.error);
  }

  /** There the user is in the room, and here not: that must not stay so. False if no server can be told. */
  async #leaveAgain(servers: readonly ServerName[], { roomId, userId }: JoinWish): Promise<boolean> {
    const { handshakes, clock } = this.#uses;
    const abort = new AbortController();
    const cancel = clock.after(leaveTimeout, () => abort.abort());
    const leave: Wish = { kind: 'leave', roomId, userId, said: {} };
    try {
      const asked = servers.slice(0, askedToLeave);
      let strangers = 0;
      for (const server of asked) {
        const made = await handshakes.make(server, leave, abort.signal);
        const sent = isFailure(made) ? made : await handshakes.send(server, leave, made, abort.signal);
        if (!isFailure(sent)) return true;
        if (sent.errcode === 'M_FORBIDDEN') strangers++;
      }
      // If all of them say that the user is not in the room, there is nothing to take back.
      return strangers === asked.length;
    } finally {
      cancel();
    }
  }
}

/** One member of a JSON object of any size. */
async function memberOf(body: AsyncIterable<Buffer>, key: string): Promise<unknown> {
  const members = new Set([key]);
  const cutter = new JsonCutter({ arrays: new Set(), members, maxBytes: maxEventBytes, maxDepth: 1000 });
  for await (const chunk of body) {
    for (const { bytes } of cutter.push(chunk)) return parseExactJson(bytes);
  }
  return undefined;
}
