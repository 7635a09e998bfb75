import type { ServerName } from '../protocol/ids/types.ts';
import type { Database } from '../store/db.ts';
import type { RemoteServerRow, RemoteServerStore } from '../store/federation/remote-servers.ts';
import type { Interning } from '../store/interning/interning.ts';
import { type Millis, millis } from '../util/brand.ts';
import type { Clock } from '../util/clock.ts';
import { isDiskFull } from '../util/disk-full.ts';
import type { Log } from '../util/log.ts';
import { Lru } from '../util/lru.ts';
import type { Random } from '../util/random.ts';

interface ReachabilityUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly remoteServers: RemoteServerStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The first back-off and the longest. */
  readonly retry: { readonly min: Millis; readonly max: Millis };
}

const day = 24 * 60 * 60 * 1000;

/** A server that goes on answering is written down so often: a row for each request would wear out an SD card. */
const noteEvery = 15 * 60 * 1000;

/** A back-off ends at a moment in its last fifth, so that servers which failed together are not asked together. */
const jitter = 0.2;

/** So many servers that fail after one another, with none that answers between: it is our own line that was cut. */
const outage = 3;

/** Servers that are let go when the line is there again; what is still left alone then waits as it would have. */
const mostReleased = 1000;

/** Back-offs of one server that its calls end within the time of the first back-off. */
const mostEnds = 3;
/** Servers whose calls have ended a back-off lately, some 100 bytes each. */
const remembered = 512;

/** After so long without a word a server is forgotten; one that has never answered, much earlier. */
const forgetAfter = { known: 90 * day, never: day };
/** Servers remembered, some 60 bytes each: several times as many as there are. */
const mostServers = 100_000;

/**
 * Which other servers can be reached. One that does not answer is left alone for a while, for twice as long after each
 * further failure; it is in the database, so that a restart does not begin again. The first answer, or a request that
 * it signed, ends that.
 */
export class Reachability {
  readonly #uses: ReachabilityUses;
  readonly #onUp: ((server: ServerName) => void)[] = [];
  readonly #ended = new Lru<ServerName, { readonly since: number; count: number }>(remembered);
  /** Failed since somebody answered last: as many as make an outage. */
  readonly #failedInARow = new Set<ServerName>();
  /** When the first of them did. */
  #failingSince = millis(0);
  /** When an outage was over last. Who began to fail before that is not let go a second time. */
  #released = 0;

  constructor(uses: ReachabilityUses) {
    this.#uses = uses;
  }

  /** Whether the server is left alone just now. */
  isDown(server: ServerName): boolean {
    return this.retryAt(server) !== undefined;
  }

  /** Until when the server is left alone, if it is. */
  retryAt(server: ServerName): Millis | undefined {
    const at = this.#row(server)?.retryAt ?? undefined;
    const now = this.#uses.clock.now();
    // A board may have had a wrong clock when it wrote that down.
    return at === undefined || at <= now || at > now + this.#uses.retry.max ? undefined : at;
  }

  /** When the server last answered or called, to a quarter of an hour; `undefined`: never, as far as is known. */
  lastAnswered(server: ServerName): Millis | undefined {
    return this.#row(server)?.answered ?? undefined;
  }

  /** Since when the server has not answered; `undefined`: it answered last, or was never asked. */
  failingSince(server: ServerName): Millis | undefined {
    return this.#row(server)?.failing ?? undefined;
  }

  /** It has answered, be it with an error of its own. */
  succeeded(server: ServerName): void {
    const { clock, remoteServers, interning, log } = this.#uses;
    this.#endOutage();
    const row = this.#row(server);
    const now = clock.now();
    const wasFailing = row?.failing ?? undefined;
    const isNoted = Math.abs(now - (row?.answered ?? Number.NEGATIVE_INFINITY)) < noteEvery;
    if (isNoted && wasFailing === undefined) return;
    this.#note(() => remoteServers.answered(interning.server(server), now));
    if (wasFailing === undefined) return;
    log.info('federation.up', { server, after: now - wasFailing });
    for (const tell of this.#onUp) tell(server);
  }

  /**
   * It has sent a request with a good signature. One that calls and cannot be called is tried a few times in the first
   * back-off's time, not at each of its calls.
   */
  heardFrom(server: ServerName): void {
    const isFailing = (this.#row(server)?.failing ?? undefined) !== undefined;
    if (!isFailing || this.#mayEnd(server)) this.succeeded(server);
  }

  /** It has not answered. Several failures at once count as one. */
  failed(server: ServerName): void {
    const { clock, random, remoteServers, interning, retry, log } = this.#uses;
    if (this.isDown(server)) return;
    if (this.#failedInARow.size === 0) this.#failingSince = millis(Math.max(clock.now(), this.#released + 1));
    if (this.#failedInARow.size < outage) this.#failedInARow.add(server);
    const before = this.#row(server);
    const isFirst = (before?.failing ?? undefined) === undefined;
    const wait = Math.min(retry.max, isFirst ? retry.min : Math.max(retry.min, (before?.wait ?? 0) * 2));
    const share = (jitter * random.below(1 << 20)) / (1 << 20);
    const now = clock.now();
    const retryAt = Math.ceil(now + wait * (1 - share));
    if (isFirst) log.info('federation.down', { server, wait });
    else log.debug('federation.still_down', { server, wait });
    this.#note(() => remoteServers.failed(interning.server(server), now, millis(wait), millis(retryAt)));
  }

  /** On a full disk nobody is refused an answer because it cannot be noted that there was one. */
  #note(write: () => void): void {
    try {
      this.#uses.db.write<void>(write);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
    }
  }

  /** Calls `tell` whenever a server that did not answer does again, or is worth another try. */
  onUp(tell: (server: ServerName) => void): void {
    this.#onUp.push(tell);
  }

  /** Forgets servers that nobody has had to do with for long; true if there may be more. */
  forgetSome(limit: number): boolean {
    const { db, clock, remoteServers } = this.#uses;
    const now = clock.now();
    const before = {
      known: millis(now - forgetAfter.known),
      never: millis(now - forgetAfter.never),
      most: mostServers,
    };
    return db.write(() => remoteServers.forget(before, limit)) >= limit;
  }

  /** Counts one end of a back-off that is not an answer; false if there were enough lately. */
  #mayEnd(server: ServerName): boolean {
    const now = this.#uses.clock.monotonic();
    const before = this.#ended.get(server);
    const ended =
      before === undefined || now - before.since >= this.#uses.retry.min ? { since: now, count: 0 } : before;
    ended.count++;
    this.#ended.set(server, ended);
    return ended.count <= mostEnds;
  }

  /** Somebody answers: if nobody did before, it was not the others' fault, and they need not be left alone for it. */
  #endOutage(): void {
    const { db, clock, remoteServers, interning, log } = this.#uses;
    const wasOutage = this.#failedInARow.size >= outage;
    this.#failedInARow.clear();
    if (!wasOutage) return;
    this.#released = clock.now();
    const released = db.write(() => remoteServers.endWaits(this.#failingSince, clock.now(), mostReleased));
    log.info('federation.line_is_back', { servers: released.length });
    for (const nid of released) for (const tell of this.#onUp) tell(interning.serverName(nid));
  }

  #row(server: ServerName): RemoteServerRow | undefined {
    const nid = this.#uses.interning.findServer(server);
    return nid === undefined ? undefined : this.#uses.remoteServers.get(nid);
  }
}
