import type { IncomingHttpHeaders } from 'node:http';
import type { OutboundHttp } from '../../outbound/outbound-http.ts';
import { isServerName } from '../../protocol/ids/server-name.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import { tryParseJson } from '../../protocol/parse-json.ts';
import type { Database } from '../../store/db.ts';
import type { DiscoveredRow, DiscoveryStore } from '../../store/federation/discovery.ts';
import { type Millis, millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import { isJsonObject } from '../../util/json.ts';
import type { Log } from '../../util/log.ts';

export interface WellKnownUses {
  readonly db: Database;
  readonly discovery: DiscoveryStore;
  readonly http: OutboundHttp;
  readonly clock: Clock;
  readonly log: Log;
  /** 443 but for tests. */
  readonly port: number;
}

/** What a document said, and how long that counts. */
interface Fetched {
  readonly delegated: ServerName | undefined;
  readonly lifetime: number;
  /** It may be there another time: nobody answered, or the answer was an error of the moment. */
  readonly mayComeBack: boolean;
}

const hour = 60 * 60 * 1000;

const usualLifetime = 24 * hour;
const longestLifetime = 48 * hour;
/** A document that changes with every look would make every look a request. */
const shortestLifetime = 5 * 60 * 1000;
/** Of what is no usable answer: this long at first, twice as long after each further failure. */
const firstError = 5 * 60 * 1000;
const longestError = hour;

const maxBytes = 50 * 1024;
const maxRedirects = 5;
const timeout = millis(10_000);

/** Names in the database; of more, those whose time is over first are forgotten. A few megabytes. */
const mostNames = 20_000;

/**
 * Where a name leads by `/.well-known/matrix/server`. Answers are kept in the database, those that are none too.
 * @see https://spec.matrix.org/v1.19/server-server-api/#getwell-knownmatrixserver
 */
export class WellKnown {
  readonly #uses: WellKnownUses;
  /** Ends with each request; those are bounded. */
  readonly #underWay = new Map<string, Promise<ServerName | undefined>>();

  constructor(uses: WellKnownUses) {
    this.#uses = uses;
  }

  /** The server name that `host` delegates to, if it does. Never rejects. */
  delegated(host: string): Promise<ServerName | undefined> {
    const known = this.#uses.discovery.get(host);
    if (known !== undefined && this.#counts(known)) return Promise.resolve(nameOf(known));
    const running = this.#underWay.get(host);
    if (running !== undefined) return running;
    const asking = this.#ask(host, known).finally(() => this.#underWay.delete(host));
    this.#underWay.set(host, asking);
    return asking;
  }

  async #ask(host: string, before: DiscoveredRow | undefined): Promise<ServerName | undefined> {
    const { db, discovery, clock, log } = this.#uses;
    const fetched = await this.#fetch(host, before?.failures ?? 0);
    const now = clock.now();
    const failures = fetched.delegated === undefined ? Math.min(10, (before?.failures ?? 0) + 1) : 0;
    let row: DiscoveredRow = {
      delegated: fetched.delegated ?? null,
      fetched: now,
      expires: millis(now + fetched.lifetime),
      failures,
    };
    if (fetched.mayComeBack && before && before.delegated !== null && before.fetched + longestLifetime > now) {
      // A web server that is down for a moment does not move the homeserver.
      const expires = millis(Math.min(row.expires, before.fetched + longestLifetime));
      row = { ...before, expires, failures };
    }
    log.debug('federation.well_known', { host, delegated: row.delegated, lifetime: row.expires - now });
    db.write<void>(() => discovery.put(host, row, mostNames));
    return nameOf(row);
  }

  async #fetch(host: string, failures: number): Promise<Fetched> {
    const { http, port } = this.#uses;
    const url = `https://${host}${port === 443 ? '' : `:${port}`}/.well-known/matrix/server`;
    const answer = await http.request({
      method: 'GET',
      url,
      timeout,
      maxBytes,
      maxRedirects,
      plainHttp: 'nowhere',
    });
    const lifetime = Math.min(longestError, firstError * 2 ** failures);
    const isBusy = !answer.ok || answer.status >= 500 || answer.status === 429;
    if (!answer.ok || answer.status !== 200) return { delegated: undefined, lifetime, mayComeBack: isBusy };
    const value = tryParseJson(answer.body);
    const name = isJsonObject(value) ? value['m.server'] : undefined;
    if (typeof name !== 'string' || !isServerName(name)) return { delegated: undefined, lifetime, mayComeBack: false };
    return { delegated: name, lifetime: lifetimeOf(answer.headers, this.#uses.clock.now()), mayComeBack: false };
  }

  /** Whether it still counts. One that was written by a wrong clock does not. */
  #counts({ fetched, expires }: DiscoveredRow): boolean {
    const now = this.#uses.clock.now();
    return now < expires && now >= fetched - hour;
  }
}

function nameOf({ delegated }: DiscoveredRow): ServerName | undefined {
  return delegated !== null && isServerName(delegated) ? delegated : undefined;
}

/** How long an answer may be kept, as its headers say. */
export function lifetimeOf(headers: IncomingHttpHeaders, now: Millis): number {
  return Math.max(shortestLifetime, Math.min(longestLifetime, saidLifetime(headers, now) ?? usualLifetime));
}

function saidLifetime(headers: IncomingHttpHeaders, now: Millis): number | undefined {
  const control = (headers['cache-control'] ?? '').toLowerCase();
  if (/(?:^|[\s,])no-(?:store|cache)(?:$|[\s,=])/.test(control)) return 0;
  const age = /(?:^|[\s,])(?:s-maxage|max-age)\s*=\s*"?(\d{1,10})/.exec(control)?.[1];
  if (age !== undefined) return Number(age) * 1000;
  const { expires } = headers;
  if (expires === undefined) return undefined;
  const time = Date.parse(expires);
  // What is no date has expired, as RFC 9111 has it.
  return Number.isNaN(time) ? 0 : time - now;
}
