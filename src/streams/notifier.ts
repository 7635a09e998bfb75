import type { LocalUsers } from '../store/local-users.ts';
import type { RoomNid, StreamPos, UserNid } from '../store/nids.ts';
import type { Millis } from '../util/brand.ts';
import type { Clock } from '../util/clock.ts';

export type WakeReason = 'touched' | 'timeout' | 'aborted';
export type Unsubscribe = () => void;

interface Touch {
  pos: StreamPos;
  rooms: ReadonlySet<RoomNid>;
  users: ReadonlySet<UserNid>;
}

/**
 * Remembered announcements: they spare a needless answer when something else changed between a caller's reading and
 * its waiting. A few seconds' worth on a busy server, some kB.
 */
const REMEMBERED = 64;
/** An announcement that touches more than this (the end of a big job) is not worth remembering; it stands for all. */
const REMEMBERED_SIZE = 64;

/**
 * Wakes whoever waits for news: long-polling clients by user, and followers of everything. It keeps waiters only, no
 * queue and no position per user: what woke is read from the database.
 */
export class Notifier {
  readonly #localUsers: LocalUsers;
  readonly #clock: Clock;
  readonly #waiting = new Map<UserNid, Set<() => void>>();
  /** Those who look into a room that they are not in, among them. */
  readonly #watching = new Map<RoomNid, Set<() => void>>();
  readonly #subscribers = new Set<(pos: StreamPos) => void>();
  #recent: Touch[] = [];
  /** All touches later than this are in `#recent`. */
  #remembersAfter = 0;

  constructor({ localUsers, clock }: { localUsers: LocalUsers; clock: Clock }) {
    this.#localUsers = localUsers;
    this.#clock = clock;
  }

  /** Called once with the position that the process starts at. */
  begin(pos: StreamPos): void {
    this.#remembersAfter = pos;
  }

  /**
   * Resolves at the next touch of the user or of a room that the user is joined or invited to, at the timeout or when
   * `signal` aborts; says which. Resolves at once if something later than `since` may already have touched the user.
   * A user who leaves a room is to be touched as a user. `room`: one whose touches count although the user is not in it.
   */
  wait(user: UserNid, since: StreamPos, timeout: Millis, signal?: AbortSignal, room?: RoomNid): Promise<WakeReason> {
    if (signal?.aborted === true) return Promise.resolve('aborted');
    if (this.#mayHaveMissed(user, since, room)) return Promise.resolve('touched');
    if (timeout <= 0) return Promise.resolve('timeout');
    return new Promise((resolve) => {
      const done = (reason: WakeReason) => {
        cancel();
        signal?.removeEventListener('abort', onAbort);
        remove(this.#waiting, user, wake);
        if (room !== undefined) remove(this.#watching, room, wake);
        resolve(reason);
      };
      const wake = () => done('touched');
      const onAbort = () => done('aborted');
      const cancel = this.#clock.after(timeout, () => done('timeout'));
      signal?.addEventListener('abort', onAbort);
      add(this.#waiting, user, wake);
      if (room !== undefined) add(this.#watching, room, wake);
    });
  }

  /** Calls `fn` with "now" whenever something has changed, once per commit. It must not throw and not take long. */
  subscribe(fn: (pos: StreamPos) => void): Unsubscribe {
    this.#subscribers.add(fn);
    return () => this.#subscribers.delete(fn);
  }

  /** Everything up to `pos` is there to be read; these rooms and users have something new. */
  announce(pos: StreamPos, rooms: ReadonlySet<RoomNid>, users: ReadonlySet<UserNid>): void {
    this.#remember({ pos, rooms, users });
    if (this.#waiting.size > 0) {
      const woken = new Set(users);
      // Most servers have fewer people waiting than messages; who is in a room is asked only if somebody waits.
      for (const room of rooms) for (const user of this.#localUsers.inRoom(room)) woken.add(user);
      for (const user of woken) for (const wake of [...(this.#waiting.get(user) ?? [])]) wake();
      if (this.#watching.size > 0) {
        for (const room of rooms) for (const wake of [...(this.#watching.get(room) ?? [])]) wake();
      }
    }
    for (const subscriber of [...this.#subscribers]) subscriber(pos);
  }

  /** How many calls wait. */
  get waiters(): number {
    let count = 0;
    for (const wakes of this.#waiting.values()) count += wakes.size;
    return count;
  }

  #mayHaveMissed(user: UserNid, since: StreamPos, watched?: RoomNid): boolean {
    if (since < this.#remembersAfter) return true;
    for (const { pos, rooms, users } of this.#recent) {
      if (pos <= since) continue;
      if (users.has(user) || (watched !== undefined && rooms.has(watched))) return true;
      for (const room of rooms) for (const local of this.#localUsers.inRoom(room)) if (local === user) return true;
    }
    return false;
  }

  #remember(touch: Touch): void {
    if (touch.rooms.size + touch.users.size > REMEMBERED_SIZE) {
      this.#recent = [];
      this.#remembersAfter = touch.pos;
      return;
    }
    if (touch.rooms.size + touch.users.size === 0) return;
    this.#recent.push(touch);
    if (this.#recent.length <= REMEMBERED) return;
    const forgotten = this.#recent.splice(0, REMEMBERED / 2).at(-1);
    if (forgotten !== undefined) this.#remembersAfter = forgotten.pos;
  }
}

function add<K>(waiting: Map<K, Set<() => void>>, key: K, wake: () => void): void {
  const wakes = waiting.get(key);
  if (wakes === undefined) waiting.set(key, new Set([wake]));
  else wakes.add(wake);
}

function remove<K>(waiting: Map<K, Set<() => void>>, key: K, wake: () => void): void {
  const wakes = waiting.get(key);
  if (wakes === undefined) return;
  wakes.delete(wake);
  if (wakes.size === 0) waiting.delete(key);
}
