import { isIPv6 } from 'node:net';
import { limitExceeded } from '../../protocol/errors.ts';
import type { Requester } from '../../users/login/requester.ts';
import type { Clock } from '../../util/clock.ts';

/** What is counted apart from each other: the tables of `[rate_limits]`. */
export type LimitedAction =
  | 'messages'
  | 'joins'
  | 'rooms'
  | 'invites'
  | 'media'
  | 'login'
  | 'registration'
  | 'reading'
  | 'other'
  | 'federation';

export interface ActionLimit {
  /** How many are allowed each second in the long run. */
  readonly perSecond: number;
  /** How many are allowed at once. */
  readonly burst: number;
}

export type RateLimitSettings = { readonly enabled: boolean } & { readonly [Action in LimitedAction]: ActionLimit };

/** Several devices of one person may do this many times what one device may. */
const userShare = 2;

/** An address is shared by a household, a school or a whole mobile network. */
const addressShare = 10;

/** Those that found no place share this many times what one may do. */
const crowdShare = 10;

/** Some 100 bytes each. Accounts and strangers apart, so that no flood of addresses concerns those who are logged in. */
const maxCounted = 8192;

/** How many of those counted longest ago are looked at for one that can be forgotten. */
const lookedAt = 8;

interface Bucket {
  readonly key: string;
  readonly table: Counters;
  readonly limit: ActionLimit;
}

/**
 * Limits how often something is done by a device, a user and an address. Token buckets, in memory only: a restart
 * forgets. What is refused is not counted, so whoever waits as long as told is let in.
 */
export class RateLimits {
  #settings: RateLimitSettings;
  readonly #clock: Clock;
  readonly #strangers = new Counters(maxCounted);
  readonly #known = new Counters(maxCounted);
  readonly #servers = new Counters(maxCounted);

  constructor(settings: RateLimitSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  /** Counts one action. 429 M_LIMIT_EXCEEDED with the time to wait. Admins of the server are not limited. */
  admit(action: LimitedAction, ip: string, requester: Requester | undefined): void {
    if (!this.#settings.enabled || requester?.admin === true) return;
    const now = this.#clock.monotonic();
    const buckets = this.#buckets(action, ip, requester);
    let wait = 0;
    for (const { table, key, limit } of buckets) wait = Math.max(wait, table.wait(key, limit, now));
    if (wait > 0) throw limitExceeded(wait);
    for (const { table, key, limit } of buckets) table.count(key, limit, now);
  }

  /** Counts several at once: who may do one may do all, and has the longer to wait for the next. 429 M_LIMIT_EXCEEDED. */
  admitMany(action: LimitedAction, times: number, ip: string, requester: Requester): void {
    if (times === 0) return;
    this.admit(action, ip, requester);
    if (!this.#settings.enabled || requester.admin) return;
    const now = this.#clock.monotonic();
    for (const { table, key, limit } of this.#buckets(action, ip, requester)) {
      for (let more = 1; more < times; more++) table.count(key, limit, now);
    }
  }

  /** From now on these limits count; what was counted stays counted. */
  use(settings: RateLimitSettings): void {
    this.#settings = settings;
  }

  /** Counts one action of another server, whatever address it comes from. 429 M_LIMIT_EXCEEDED with the time to wait. */
  admitServer(action: LimitedAction, origin: string): void {
    if (!this.#settings.enabled) return;
    const now = this.#clock.monotonic();
    const key = `${action} ${origin}`;
    const limit = this.#settings[action];
    const wait = this.#servers.wait(key, limit, now);
    if (wait > 0) throw limitExceeded(wait);
    this.#servers.count(key, limit, now);
  }

  /** For tests: how many buckets are kept. */
  get size(): number {
    return this.#strangers.size + this.#known.size + this.#servers.size;
  }

  #buckets(action: LimitedAction, ip: string, requester: Requester | undefined): Bucket[] {
    const limit = this.#settings[action];
    const address = `${action} ${addressKey(ip)}`;
    if (requester === undefined) return [{ table: this.#strangers, key: address, limit }];
    return [
      { table: this.#known, key: `${action} d${requester.device}`, limit },
      { table: this.#known, key: `${action} u${requester.user}`, limit: times(limit, userShare) },
      { table: this.#known, key: address, limit: times(limit, addressShare) },
    ];
  }
}

const times = ({ perSecond, burst }: ActionLimit, factor: number): ActionLimit => ({
  perSecond: perSecond * factor,
  burst: burst * factor,
});

/**
 * Token buckets in bounded memory. A bucket is one number: when it will be full again. One that is full is as good as
 * none, so it gives its place away without loss; while there is none such, newcomers share one bucket for each kind of
 * action. So nobody gets rid of a debt by a flood of addresses, and a flood takes nothing from those who have a place.
 */
class Counters {
  readonly #max: number;
  /** The one counted longest ago first. */
  readonly #fullAt = new Map<string, number>();
  /** One for each action. */
  readonly #crowds = new Map<string, number>();

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#fullAt.size + this.#crowds.size;
  }

  /** Milliseconds until one more is allowed. */
  wait(key: string, limit: ActionLimit, now: number): number {
    const known = this.#fullAt.get(key);
    if (known !== undefined) return tooEarlyBy(known, limit, now);
    return this.#hasPlace(now) ? 0 : tooEarlyBy(this.#crowds.get(crowdOf(key)) ?? now, times(limit, crowdShare), now);
  }

  count(key: string, limit: ActionLimit, now: number): void {
    const known = this.#fullAt.get(key);
    if (known !== undefined) this.#fullAt.delete(key);
    if (known !== undefined || this.#hasPlace(now)) {
      this.#fullAt.set(key, Math.max(known ?? now, now) + 1000 / limit.perSecond);
      return;
    }
    const crowd = crowdOf(key);
    this.#crowds.set(crowd, Math.max(this.#crowds.get(crowd) ?? now, now) + 1000 / (limit.perSecond * crowdShare));
  }

  #hasPlace(now: number): boolean {
    if (this.#fullAt.size < this.#max) return true;
    let looked = 0;
    for (const [key, fullAt] of this.#fullAt) {
      if (fullAt <= now) {
        this.#fullAt.delete(key);
        return true;
      }
      looked += 1;
      if (looked === lookedAt) break;
      // It is in debt still: behind the others, so that the next look finds another.
      this.#fullAt.delete(key);
      this.#fullAt.set(key, fullAt);
    }
    return false;
  }
}

function tooEarlyBy(fullAt: number, limit: ActionLimit, now: number): number {
  return Math.max(0, fullAt - now - ((limit.burst - 1) * 1000) / limit.perSecond);
}

const crowdOf = (key: string) => key.slice(0, key.indexOf(' '));

/** An IPv6 address counts as its /64, which is what one subscriber gets at least. */
export function addressKey(ip: string): string {
  if (!isIPv6(ip)) return ip;
  const [head = '', tail] = ip.split('%', 1)[0]?.split('::') ?? [];
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const after = tail === '' ? [] : tail.split(':');
    // A dotted end stands for two groups.
    const width = after.length + (after.at(-1)?.includes('.') ? 1 : 0);
    groups.push(...Array.from({ length: 8 - groups.length - width }, () => '0'), ...after);
  }
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
