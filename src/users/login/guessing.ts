import { limitExceeded } from '../../protocol/errors.ts';
import type { Clock } from '../../util/clock.ts';
import { Lru } from '../../util/lru.ts';

interface Rule {
  /** Failures that cost nothing. */
  readonly free: number;
  /** The wait after the first that does; it doubles with each further one. */
  readonly firstWait: number;
  readonly longestWait: number;
}

/** One failure is forgiven in this time, so that typing errors of a month do not add up. */
const forgiveAfter = 10 * 60_000;

interface Attempts {
  failures: number;
  /** Monotonic milliseconds. */
  last: number;
  blockedUntil: number;
}

/** Enough for every family; a flood of names or addresses pushes out the oldest only. Some 100 bytes each. */
const maxRecords = 8192;

const rules = {
  /** One person who has forgotten the password. */
  accountFromAddress: { free: 5, firstWait: 1000, longestWait: 15 * 60_000 },
  /** Many names tried from one place, which may be a whole household or school. */
  address: { free: 50, firstWait: 1000, longestWait: 15 * 60_000 },
  /** One name tried from many places: short, for the owner must get in all the same. */
  account: { free: 100, firstWait: 1000, longestWait: 30_000 },
} as const satisfies { [name: string]: Rule };

type RuleName = keyof typeof rules;

/** Slows down whoever guesses secrets. Memory is bounded, a restart forgets. */
export class Guessing {
  readonly #clock: Clock;
  readonly #records = new Lru<string, Attempts>(maxRecords);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Before a secret is looked at: 429 M_LIMIT_EXCEEDED while it is too early. `subject` is what the secret belongs to. */
  check(subject: string, ip: string): void {
    const now = this.#clock.monotonic();
    let wait = 0;
    for (const [, key] of keysOf(subject, ip)) {
      wait = Math.max(wait, (this.#records.get(key)?.blockedUntil ?? 0) - now);
    }
    if (wait > 0) throw limitExceeded(wait, 'Too many wrong attempts');
  }

  /** The secret was wrong. Called before it is looked at, many guesses cannot be under way at once. */
  failed(subject: string, ip: string): void {
    const now = this.#clock.monotonic();
    for (const [name, key] of keysOf(subject, ip)) {
      const known = this.#records.get(key);
      const forgiven = known ? Math.floor((now - known.last) / forgiveAfter) : 0;
      const failures = Math.max(0, (known?.failures ?? 0) - forgiven) + 1;
      this.#records.set(key, { failures, last: now, blockedUntil: now + waitAfter(failures, rules[name]) });
    }
  }

  /** What was counted as a failure before the secret was looked at was none. */
  succeeded(subject: string, ip: string): void {
    for (const [name, key] of keysOf(subject, ip)) {
      const known = this.#records.get(key);
      if (name === 'accountFromAddress' || known === undefined) {
        this.#records.delete(key);
        continue;
      }
      known.failures = Math.max(0, known.failures - 1);
      known.blockedUntil = known.last + waitAfter(known.failures, rules[name]);
    }
  }
}

function waitAfter(failures: number, rule: Rule): number {
  const costly = failures - rule.free;
  return costly < 0 ? 0 : Math.min(rule.longestWait, rule.firstWait * 2 ** Math.min(costly, 30));
}

function keysOf(subject: string, ip: string): [RuleName, string][] {
  return [
    ['accountFromAddress', `${subject} ${ip}`],
    ['address', ip],
    ['account', subject],
  ];
}
