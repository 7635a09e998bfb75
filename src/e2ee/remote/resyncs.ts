import { type FederationClient, type RemoteFailure, remotePath } from '../../federation/client.ts';
import type { Reachability } from '../../federation/reachability.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import type { RemoteListRow, RemoteListStore } from '../../store/e2ee/remote-lists.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { ServerNid, UserNid } from '../../store/nids.ts';
import { millis } from '../../util/brand.ts';
import type { Cancel, Clock } from '../../util/clock.ts';
import { diskRest } from '../../util/disk-full.ts';
import type { Log } from '../../util/log.ts';
import { readDeviceList } from './answers.ts';
import type { RemoteLists } from './remote-lists.ts';

export interface ResyncsUses {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly interning: Interning;
  readonly client: Pick<FederationClient, 'call'>;
  readonly reachability: Pick<Reachability, 'retryAt' | 'onUp'>;
  readonly remoteLists: RemoteListStore;
  readonly tracked: RemoteLists;
}

/** Lists fetched at once: an answer takes up to some MB while it is read. */
const atOnce = 4;
/** Of one server, so that one that is slow does not hold up the others. */
const ofOneServer = 2;
/** A thousand devices have about this. */
const maxAnswer = 3 * 1024 * 1024;
const timeout = millis(30_000);
const backOff = { first: 60_000, longest: 6 * 60 * 60_000 };
/** The next look, if the clock jumps. */
const longestSleep = 60 * 60_000;

/**
 * Fetches the device lists in which something is missing. What is to be fetched, and when, is in the database, so a
 * restart goes on; in memory is only what is under way.
 */
export class Resyncs {
  readonly #uses: ResyncsUses;
  readonly #running = new Map<UserNid, ServerNid>();
  readonly #stopping = new AbortController();
  #timer: Cancel | undefined;
  #under: Promise<unknown>[] = [];

  constructor(uses: ResyncsUses) {
    this.#uses = uses;
  }

  start(): void {
    const { tracked, reachability } = this.#uses;
    tracked.onDue = () => this.#pump();
    reachability.onUp((server) => this.#hasten(server));
    this.#pump();
  }

  /** Resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#timer?.();
    await Promise.allSettled(this.#under);
  }

  #hasten(server: ServerName): void {
    const { db, interning, remoteLists, clock } = this.#uses;
    const nid = interning.findServer(server);
    if (nid === undefined || this.#stopping.signal.aborted) return;
    db.write<void>(() => remoteLists.hasten(nid, clock.now()));
    this.#pump();
  }

  #pump(): void {
    if (this.#stopping.signal.aborted) return;
    const { clock, remoteLists } = this.#uses;
    this.#timer?.();
    this.#timer = undefined;
    while (this.#running.size < atOnce) {
      const next = this.#next();
      if (next === undefined) break;
      this.#begin(next);
    }
    if (this.#running.size > 0) return;
    const due = remoteLists.nextDue();
    if (due === undefined) return;
    const wait = millis(Math.min(longestSleep, Math.max(1, due - clock.now())));
    this.#timer = clock.after(wait, () => this.#pump());
  }

  #next(): RemoteListRow | undefined {
    const { clock, remoteLists } = this.#uses;
    const counts = new Map<ServerNid, number>();
    for (const server of this.#running.values()) counts.set(server, (counts.get(server) ?? 0) + 1);
    const busy = [...counts].filter(([, count]) => count >= ofOneServer).map(([server]) => server);
    // Those under way are still due.
    const page = remoteLists.due(clock.now(), busy, atOnce + 1);
    return page.find(({ user }) => !this.#running.has(user));
  }

  #begin(row: RemoteListRow): void {
    this.#running.set(row.user, this.#uses.interning.userServer(row.user));
    const work = this.#fetch(row)
      .catch((cause: unknown) => {
        this.#uses.log.error('e2ee.resync_broken', { cause });
        // It is due still: as on a full disk, where nothing can be noted.
        return this.#rest();
      })
      .finally(() => {
        this.#running.delete(row.user);
        this.#under = this.#under.filter((other) => other !== work);
        this.#pump();
      });
    this.#under.push(work);
  }

  #rest(): Promise<void> {
    const { signal } = this.#stopping;
    return new Promise((resolve) => {
      const cancel = this.#uses.clock.after(diskRest, resolve);
      const stop = () => {
        cancel();
        resolve();
      };
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
    });
  }

  async #fetch(row: RemoteListRow): Promise<void> {
    const { db, interning, client, tracked, remoteLists, log } = this.#uses;
    const userId = interning.userId(row.user);
    const server = interning.serverName(interning.userServer(row.user));
    const answer = await client.call({
      server,
      method: 'GET',
      path: remotePath`/_matrix/federation/v1/user/devices/${userId}`,
      timeout,
      maxBytes: maxAnswer,
      signal: this.#stopping.signal,
    });
    if (this.#stopping.signal.aborted) return;
    const list = answer.ok ? readDeviceList(userId, answer.value) : undefined;
    db.write<void>(() => {
      if (list === undefined) return this.#putOff(row, answer.ok ? undefined : answer);
      tracked.settle(row, list, list.stream);
      // Nothing is due any more unless there was news meanwhile.
      const now = remoteLists.find(row.user);
      if (now?.stale === 1) remoteLists.postpone(row.user, this.#later(pauseAfterNews), 0);
    });
    if (list === undefined) log.info('e2ee.resync_failed', { userId, ...(answer.ok ? {} : { detail: answer.detail }) });
  }

  /** Inside a write. */
  #putOff({ user, failures }: RemoteListRow, failure: RemoteFailure | undefined): void {
    const { remoteLists, reachability, clock } = this.#uses;
    const wait = Math.min(backOff.longest, backOff.first * 2 ** Math.min(failures, 20));
    const retryAt = failure === undefined ? undefined : reachability.retryAt(failure.server);
    // One that is not asked has not failed once more.
    const count = failure?.kind === 'down' ? failures : failures + 1;
    const due = retryAt === undefined ? this.#later(wait) : Math.max(retryAt, clock.now() + 1000);
    remoteLists.postpone(user, millis(due), count);
  }

  #later(by: number) {
    return millis(this.#uses.clock.now() + by);
  }
}

/** News that came while a list was fetched is mostly not the last. */
const pauseAfterNews = 5_000;
