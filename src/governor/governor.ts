import { millis } from '../util/brand.ts';
import type { Cancel, Clock } from '../util/clock.ts';
import type { Log } from '../util/log.ts';
import { diskLevel, type Level, memoryLevel } from './levels.ts';
import type { Readings } from './readings.ts';

export interface GovernorUses {
  readonly readings: Readings;
  readonly budgetMb: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** How the server is. */
export interface Condition {
  readonly memory: Level;
  readonly disk: Level;
  readonly rss: number;
  readonly budget: number;
  /** Percent; `undefined`: the system does not tell. */
  readonly pressure: number | undefined;
  /** Bytes; `undefined` likewise. */
  readonly diskFree: number | undefined;
}

export type Listener = (now: Condition, before: Condition) => void;

const mib = 1024 * 1024;
/** A look costs some 50 µs. */
const lookEvery = millis(2_000);
/** While memory is not easy, what can be given back is given back again from time to time. */
const shrinkEvery = 30_000;
/**
 * Memory that is neither given back nor grows for so long has been kept by the allocator or by the system, for files that
 * are mapped: refusing work would not bring it back.
 */
const plateauAfter = 30_000;
const plateauGrowth = 4 * mib;
/** Up to this share of all there is, such memory is allowed for; and above it as long as so much more could be had. */
const mostOfBoard = 0.75;
const reserve = { share: 0.08, least: 24 * mib };
/** A plateau is somewhat below the end of the budget. */
const plateauShare = 0.93;
/** What a server needs beyond what it has when it has just started; a smaller budget could never be kept. */
const leastRoom = 48 * mib;

/**
 * Watches memory and disk, and tells who listens when there is less of it or more. The levels: *easy*; *tight*: caches
 * are given back, and big work is done one at a time; *critical*: what can wait is sent away with a time to come back.
 */
export class Governor {
  readonly #uses: GovernorUses;
  readonly #listeners: Listener[] = [];
  readonly #shrinkers: ((level: Level) => void)[] = [];
  #budget: number;
  #now: Condition;
  #cancel: Cancel = () => {};
  /** Jobs that are parked: as many as there are long jobs. */
  readonly #parked = new Set<() => void>();
  #shrunk = -Infinity;
  /** Since when memory is critical without growing much, and how much it was then. */
  #plateau: { since: number; rss: number } | undefined;
  /** Bytes that the budget is taken to be because they are not given back. */
  #allowed = 0;

  constructor(uses: GovernorUses) {
    this.#uses = uses;
    this.#budget = uses.budgetMb * mib;
    const { rss } = uses.readings.memory();
    const base = { memory: 'easy', disk: 'easy', pressure: undefined, diskFree: undefined } as const;
    this.#now = { ...base, rss, budget: this.#budget };
  }

  /** Begins to watch. */
  start(): void {
    const { rss } = this.#uses.readings.memory();
    this.#budget = Math.max(this.#budget, rss + leastRoom);
    this.look();
    this.#again();
  }

  stop(): void {
    this.#cancel();
    this.#letOn();
  }

  /** Resolves once memory is not critical any more, at the signal, or when the governor stops. */
  roomier(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const goOn = () => {
        signal.removeEventListener('abort', goOn);
        this.#parked.delete(goOn);
        resolve();
      };
      signal.addEventListener('abort', goOn);
      this.#parked.add(goOn);
    });
  }

  #letOn(): void {
    for (const goOn of [...this.#parked]) goOn();
  }

  get condition(): Condition {
    return this.#now;
  }

  get memory(): Level {
    return this.#now.memory;
  }

  get disk(): Level {
    return this.#now.disk;
  }

  /** Called when a level changes. For the process's life, as with `onShrink`. */
  onChange(listener: Listener): void {
    this.#listeners.push(listener);
  }

  /** Called with the level when memory should be given back, again and again while it is not easy, and once when it is. */
  onShrink(shrink: (level: Level) => void): void {
    this.#shrinkers.push(shrink);
  }

  /** Looks now. */
  look(): void {
    const { readings, clock, log } = this.#uses;
    const before = this.#now;
    const { rss, pressure } = readings.memory();
    const disk = readings.disk();
    this.#allow(rss);
    const budget = Math.max(this.#budget, this.#allowed);
    const memory = memoryLevel({ rss, pressure }, budget, before.memory);
    this.#notePlateau(memory, rss, pressure);
    const now: Condition = {
      memory,
      disk: disk === undefined ? 'easy' : diskLevel(disk, before.disk),
      rss,
      budget,
      pressure,
      diskFree: disk?.free,
    };
    this.#now = now;
    if (memory !== 'critical') this.#letOn();
    const isShrinkDue = now.memory !== 'easy' && clock.monotonic() - this.#shrunk >= shrinkEvery;
    if (isShrinkDue || now.memory !== before.memory) {
      this.#shrunk = clock.monotonic();
      for (const shrink of this.#shrinkers) shrink(now.memory);
    }
    if (now.memory === before.memory && now.disk === before.disk) return;
    const level = now.memory === 'critical' || now.disk === 'critical' ? 'warn' : 'info';
    log[level]('governor.level', { ...now });
    for (const listener of this.#listeners) listener(now, before);
  }

  /** What is given back in the end is not allowed for any longer. */
  #allow(rss: number): void {
    if (rss < this.#budget * plateauShare) this.#allowed = 0;
  }

  /** A level that nothing ends is none: from then on what is kept counts as part of the budget. */
  #notePlateau(memory: Level, rss: number, pressure = 0): void {
    const { clock, log, readings } = this.#uses;
    const now = clock.monotonic();
    if (memory !== 'critical' || pressure > 0) this.#plateau = undefined;
    else if (this.#plateau === undefined || rss > this.#plateau.rss + plateauGrowth)
      this.#plateau = { since: now, rss };
    if (this.#plateau === undefined || now - this.#plateau.since < plateauAfter) return;
    this.#plateau = undefined;
    const allowed = Math.min(rss / plateauShare, Math.max((readings.boardBytes ?? 0) * mostOfBoard, this.#within(rss)));
    if (allowed <= Math.max(this.#budget, this.#allowed)) return;
    this.#allowed = allowed;
    log.warn('governor.above_budget', { rss, budget: this.#budget, allowed: Math.round(allowed) });
  }

  /** How much the process could take without the board, or the control group, being full. RSS counts the program's file, too. */
  #within(rss: number): number {
    const { readings } = this.#uses;
    const { boardBytes = 0 } = readings;
    const free = readings.available?.() ?? 0;
    const kept = Math.max(reserve.least, boardBytes * reserve.share);
    return free > kept ? rss + free - kept : 0;
  }

  #again(): void {
    this.#cancel = this.#uses.clock.after(lookEvery, () => {
      this.look();
      this.#again();
    });
  }
}
