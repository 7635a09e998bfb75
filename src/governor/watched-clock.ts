import type { ClockMark } from '../store/clock-mark.ts';
import type { Database } from '../store/db.ts';
import { type Millis, millis } from '../util/brand.ts';
import type { Cancel, Clock } from '../util/clock.ts';
import { isDiskFull } from '../util/disk-full.ts';
import type { Log } from '../util/log.ts';

export interface WatchedClockUses {
  readonly db: Database;
  readonly clockMark: ClockMark;
  /** The clock of the system, right or wrong. */
  readonly clock: Clock;
  /** When this program was built: no moment at which it runs is earlier. */
  readonly built: Millis;
  /** Whether the system knows that its clock is right. */
  readonly isSynchronised: () => boolean;
  readonly log: Log;
}

/** A right clock may be set back by as much: time servers correct it by seconds. */
const tolerance = 60_000;
/** Nobody can send anything meanwhile. */
const lookWhileWrong = millis(2_000);
/** So much of what was written before a power cut may be newer than the mark. */
const lookWhileRight = millis(60_000);

/**
 * The clock of a board that may have none: switched on, it shows a time long gone until the network tells it the time.
 * A time before the newest one that the database knows of, or before the program was built, is wrong. While it is, time
 * stands still at the newest known moment, so that nothing seems to expire and nothing is stamped with nonsense, and
 * `isRight` keeps others from what needs the time: signing, and judging keys and certificates.
 */
export class WatchedClock implements Clock {
  readonly #uses: WatchedClockUses;
  /** Called once, when the clock is right. */
  readonly #waiting: (() => void)[] = [];
  #newest: number;
  #saved: number;
  #changes = -1;
  /** What the log said last. */
  #told = true;
  #cancel: Cancel = () => {};

  constructor(uses: WatchedClockUses) {
    this.#uses = uses;
    this.#saved = uses.clockMark.read() ?? 0;
    this.#newest = Math.max(this.#saved, uses.built);
  }

  get isRight(): boolean {
    return this.#uses.clock.now() >= this.#newest - tolerance;
  }

  now(): Millis {
    const now = this.#uses.clock.now();
    return now >= this.#newest - tolerance ? now : millis(this.#newest);
  }

  monotonic(): number {
    return this.#uses.clock.monotonic();
  }

  after(delay: Millis, task: () => void): Cancel {
    return this.#uses.clock.after(delay, task);
  }

  /** Begins to watch. */
  start(): void {
    this.look();
    this.#cancel = this.after(this.isRight ? lookWhileRight : lookWhileWrong, () => this.start());
  }

  /** The mark is left where the clock is. */
  stop(): void {
    this.#cancel();
    this.#waiting.length = 0;
    if (this.isRight) this.#save(this.now());
  }

  /** Calls `begin` once: at once, or as soon as the clock is right. */
  whenRight(begin: () => void): void {
    if (this.isRight) begin();
    else this.#waiting.push(begin);
  }

  /** Believes the clock as it is, though something was stored at a later time. False: it is before the program was built. */
  trust(): boolean {
    const now = this.#uses.clock.now();
    if (now < this.#uses.built - tolerance) return false;
    this.#newest = now;
    this.#save(now);
    this.look();
    return true;
  }

  /** Looks now. */
  look(): void {
    const { clock, built, isSynchronised, log } = this.#uses;
    if (!this.isRight && isSynchronised() && this.trust()) return;
    const { isRight } = this;
    if (isRight !== this.#told) {
      this.#told = isRight;
      const [now, newest] = [clock.now(), this.#newest].map(shown);
      if (isRight) log.info('clock.right', { now });
      else log.warn('clock.wrong', { now, newest, built: shown(built), effect });
    }
    if (!isRight) return;
    this.#keep();
    for (const begin of this.#waiting.splice(0)) begin();
  }

  /** Moves the mark on if anything was written since; a server at rest spares the disk. */
  #keep(): void {
    const now = this.#uses.clock.now();
    if (now - this.#saved < lookWhileRight || this.#uses.clockMark.changes() === this.#changes) return;
    this.#newest = Math.max(this.#newest, now);
    this.#save(millis(this.#newest));
  }

  #save(time: Millis): void {
    const { db, clockMark } = this.#uses;
    try {
      db.write<void>(() => clockMark.write(time));
    } catch (error) {
      // The next look saves a better one.
      if (isDiskFull(error)) return;
      throw error;
    }
    this.#saved = time;
    this.#changes = clockMark.changes();
  }
}

const effect =
  'The clock shows a time before what is known to have been: until it is set, nothing is signed or sent, no other server is called or listened to, and nothing expires. If the clock is right after all: hearth db trust-clock';

const shown = (time: number): string => new Date(time).toISOString();
