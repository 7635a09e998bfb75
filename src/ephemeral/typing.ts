import type { RoomNid, StreamPos, UserNid } from '../store/nids.ts';
import { streamStart } from '../store/sync/positions.ts';
import type { Streams } from '../streams/streams.ts';
import { type Millis, millis } from '../util/brand.ts';
import type { Cancel, Clock } from '../util/clock.ts';

/** Nobody is said to be typing for longer than this without saying so again. */
export const longestTyping = millis(120_000);

/** In a room where more people than this type at once, nobody can read who they are. */
const maxTypersInRoom = 50;

/** Rooms remembered: those where somebody types, and those where somebody stopped of which clients must hear. */
const maxRooms = 1000;

/** Told whenever somebody types, goes on doing so, or has stopped. */
export type TypingObserver = (room: RoomNid, user: UserNid, isTyping: boolean) => void;

interface RoomTyping {
  /** When each person stops unless they say so again, by the monotonic clock. */
  readonly until: Map<UserNid, number>;
  /** When the set of people last changed. */
  pos: StreamPos;
}

/**
 * Who is typing where. Held in memory only, as nothing of it matters after a restart, and bounded: beyond the bounds
 * a person is simply not seen typing.
 * @see https://spec.matrix.org/v1.19/client-server-api/#typing-notifications
 */
export class Typing {
  /** When this process began to remember. A client of before may believe that somebody still types. */
  readonly since: StreamPos;
  readonly #streams: Streams;
  readonly #clock: Clock;
  /** Ordered by `pos`: a changed room moves to the end. */
  readonly #rooms = new Map<RoomNid, RoomTyping>();
  readonly #observers: TypingObserver[] = [];
  #timer: { readonly at: number; readonly cancel: Cancel } | undefined;

  constructor(streams: Streams, clock: Clock) {
    this.since = streams.now();
    this.#streams = streams;
    this.#clock = clock;
  }

  observe(observer: TypingObserver): void {
    this.#observers.push(observer);
  }

  /** The user types for `timeout` from now, longer than before or shorter. */
  start(room: RoomNid, user: UserNid, timeout: Millis): void {
    const until = this.#clock.monotonic() + Math.min(timeout, longestTyping);
    const typing = this.#rooms.get(room);
    if (typing?.until.has(user)) {
      typing.until.set(user, until);
    } else {
      if ((typing?.until.size ?? 0) >= maxTypersInRoom) return;
      if (typing === undefined && !this.#makeRoom()) return;
      const entry = typing ?? { until: new Map(), pos: streamStart };
      entry.until.set(user, until);
      this.#changed(room, entry);
    }
    this.#schedule(until);
    this.#tell(room, user, true);
  }

  /** The user has stopped typing, sent a message or left the room. */
  stop(room: RoomNid, user: UserNid): void {
    const typing = this.#rooms.get(room);
    if (!typing?.until.delete(user)) return;
    this.#changed(room, typing);
    this.#tell(room, user, false);
  }

  /** Who types in the room, in the order in which they began. */
  users(room: RoomNid): UserNid[] {
    const typing = this.#rooms.get(room);
    return typing === undefined ? [] : [...typing.until.keys()];
  }

  /** When the people typing in a room last changed, if that is remembered. */
  changedAt(room: RoomNid): StreamPos | undefined {
    return this.#rooms.get(room)?.pos;
  }

  /** Rooms where the people typing changed in (after, upTo]. */
  roomsChanged(after: StreamPos, upTo: StreamPos): RoomNid[] {
    const rooms: RoomNid[] = [];
    for (const [room, typing] of this.#rooms) if (typing.pos > after && typing.pos <= upTo) rooms.push(room);
    return rooms;
  }

  #tell(room: RoomNid, user: UserNid, isTyping: boolean): void {
    for (const observer of this.#observers) observer(room, user, isTyping);
  }

  #changed(room: RoomNid, typing: RoomTyping): void {
    typing.pos = this.#streams.next();
    this.#rooms.delete(room);
    this.#rooms.set(room, typing);
    this.#streams.touchRoom(room);
  }

  /** Forgets the room that has been quiet for longest, if there are too many. False if somebody types in every one. */
  #makeRoom(): boolean {
    if (this.#rooms.size < maxRooms) return true;
    for (const [room, typing] of this.#rooms) {
      if (typing.until.size > 0) continue;
      this.#rooms.delete(room);
      return true;
    }
    return false;
  }

  /** One timer, for the person who is to stop first. */
  #schedule(at: number): void {
    if (this.#timer !== undefined && this.#timer.at <= at) return;
    this.#timer?.cancel();
    const delay = millis(Math.max(0, Math.ceil(at - this.#clock.monotonic())));
    this.#timer = { at, cancel: this.#clock.after(delay, () => this.#expire()) };
  }

  #expire(): void {
    this.#timer = undefined;
    const now = this.#clock.monotonic();
    let next = Number.POSITIVE_INFINITY;
    // A room that changes moves to the end and is met once more, with nothing left to do.
    for (const [room, typing] of this.#rooms) {
      const stopped: UserNid[] = [];
      for (const [user, until] of typing.until) {
        if (until > now) next = Math.min(next, until);
        else if (typing.until.delete(user)) stopped.push(user);
      }
      if (stopped.length > 0) this.#changed(room, typing);
      for (const user of stopped) this.#tell(room, user, false);
    }
    if (next !== Number.POSITIVE_INFINITY) this.#schedule(next);
  }
}
