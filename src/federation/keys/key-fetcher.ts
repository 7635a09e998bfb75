import type { KeyId, ServerName } from '../../protocol/ids/types.ts';
import { signaturesOf, verifyJson } from '../../protocol/signing/json.ts';
import { readPublishedKeys } from '../../protocol/signing/server-keys.ts';
import { type Millis, millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import { isJsonObject, type JsonObject } from '../../util/json.ts';
import type { Log } from '../../util/log.ts';
import { unhurried } from '../../util/slices.ts';
import type { FederationClient } from '../client.ts';
import { FetchMemory } from './fetch-memory.ts';
import type { KnownKeys } from './known-keys.ts';
import { WaitingRoom } from './waiting-room.ts';

export interface KeyFetcherUses {
  readonly client: FederationClient;
  readonly known: KnownKeys;
  /** `federation.notaries`. */
  readonly notaries: readonly ServerName[];
  readonly clock: Clock;
  readonly log: Log;
}

/** What is wanted of one server. */
export interface WantedKeys {
  readonly keyIds: ReadonlySet<KeyId>;
  /** The latest time at which they have to be valid. */
  readonly validAt: Millis;
}

/**
 * Where so many are asked at once, as for the members of a room, half of them may be dead: each is given less time, and
 * those that were not reached when the time is over have no keys. The rest goes on.
 */
const many = 50;
const timeoutAmongMany = millis(5_000);
const timeForMany = 150_000;
/**
 * Servers asked for their keys at once, and those that wait for it, some hundred bytes each: a room of hundreds of
 * servers is done within a minute, without a flood. Whoever calls us, or has just said something, does not wait behind
 * the dead servers of a room that somebody joins. All of them have their calls beside those of others.
 */
const sizes = {
  few: { atOnce: 12, slowAtOnce: 12, longestQueue: 1024 },
  many: { atOnce: 16, slowAtOnce: 48, longestQueue: 4096 },
} as const;
/** A notary that was of no use is not asked for so long: an answer of a hundred servers' keys may take its time. */
const notaryPause = 60_000;
/** Servers in one question to a notary. */
const perQuestion = 100;

const timeout = millis(10_000);
const maxBytes = 128 * 1024;

/** Asks for the keys of other servers: notaries first, if there are any, then the servers themselves. */
export class KeyFetcher {
  readonly #uses: KeyFetcherUses;
  readonly #memory: FetchMemory;
  readonly #few: WaitingRoom;
  readonly #many: WaitingRoom;
  /** Servers that are being asked; as many as are let in. */
  readonly #underWay = new Map<ServerName, Promise<void>>();
  /** Servers of rooms that wait to be asked, or are; as many as may wait. */
  readonly #queued = new Map<ServerName, Promise<void>>();
  /** Until when notaries are passed over; there are as many as the configuration names. */
  readonly #useless = new Map<ServerName, number>();

  constructor(uses: KeyFetcherUses) {
    this.#uses = uses;
    this.#memory = new FetchMemory(uses.clock);
    this.#few = new WaitingRoom(uses.clock, sizes.few);
    this.#many = new WaitingRoom(uses.clock, sizes.many);
  }

  /** Writes down what can be had. `isCalling`: the one server that is wanted has just called us. Never rejects. */
  async fetch(wanted: ReadonlyMap<ServerName, WantedKeys>, isCalling: boolean): Promise<void> {
    // Who comes while a server is being asked waits for the same answer.
    const mayAsk = (server: ServerName) => this.#underWay.has(server) || this.#memory.mayAsk(server, isCalling);
    const asked = new Map([...wanted].filter(([server]) => mayAsk(server)));
    for (const notary of this.#uses.notaries) await this.#askNotaryAll(notary, asked);
    const left = await this.#unmet(asked);
    if (left.length < many) {
      await Promise.all(left.map(([server]) => this.#askDirectly(server, isCalling)));
      return;
    }
    const { clock } = this.#uses;
    const end = clock.monotonic() + timeForMany;
    await Promise.all(left.map(([server, keys]) => this.#askAmongMany(server, keys, end)));
  }

  /** All that a notary may know, in questions of a bounded size; nothing more once one of them was for nothing. */
  async #askNotaryAll(notary: ServerName, asked: ReadonlyMap<ServerName, WantedKeys>): Promise<void> {
    const { clock } = this.#uses;
    const left = (await this.#unmet(asked)).filter(([server]) => server !== notary);
    for (let at = 0; at < left.length; at += perQuestion) {
      if (clock.monotonic() < (this.#useless.get(notary) ?? Number.NEGATIVE_INFINITY)) return;
      const isUseful = await this.#askNotary(notary, new Map(left.slice(at, at + perQuestion)));
      if (!isUseful) this.#useless.set(notary, clock.monotonic() + notaryPause);
    }
  }

  /** Asks a server for its keys because they will soon have been fetched too long ago. */
  refresh(server: ServerName): void {
    if (!this.#memory.mayAsk(server, false)) return;
    // Nobody waits for it, so nobody else would hear that the answer could not be written down.
    this.#askDirectly(server, false).catch((cause: unknown) => {
      this.#uses.log.error('federation.keys_not_kept', { server, cause });
    });
  }

  /** The server answers again: it is not passed over for what it did not answer before. */
  cameBack(server: ServerName): void {
    this.#memory.answered(server);
  }

  /** Whether all that is wanted of a server is known and valid; without key IDs, whatever it signs with. */
  isMet(server: ServerName, { keyIds, validAt }: WantedKeys): boolean {
    if (keyIds.size === 0) return (this.#uses.known.answer(server)?.validUntil ?? 0) >= validAt;
    for (const keyId of keyIds) {
      const known = this.#uses.known.get(server, keyId);
      if (known === undefined || known.validUntil < validAt) return false;
    }
    return true;
  }

  async #unmet(asked: ReadonlyMap<ServerName, WantedKeys>): Promise<[ServerName, WantedKeys][]> {
    const unmet: [ServerName, WantedKeys][] = [];
    await unhurried(this.#uses.clock, asked, ([server, keys]) => {
      if (!this.isMet(server, keys)) unmet.push([server, keys]);
    });
    return unmet;
  }

  /** One of the servers of a room, when it is its turn: not after `end`, and not for what has become known meanwhile. */
  #askAmongMany(server: ServerName, keys: WantedKeys, end: number): Promise<void> {
    const queued = this.#queued.get(server);
    if (queued !== undefined) return queued;
    const asking = this.#many
      .run(async () => {
        if (this.#uses.clock.monotonic() > end || this.isMet(server, keys)) return;
        await this.#once(server, () => this.#direct(server, false, timeoutAmongMany));
      })
      .finally(() => this.#queued.delete(server));
    this.#queued.set(server, asking);
    return asking;
  }

  #askDirectly(server: ServerName, isCalling: boolean): Promise<void> {
    return this.#once(server, () => this.#few.run(() => this.#direct(server, isCalling, timeout)));
  }

  /** Whoever comes while the server is being asked waits for the same answer. */
  #once(server: ServerName, ask: () => Promise<void>): Promise<void> {
    const running = this.#underWay.get(server);
    if (running !== undefined) return running;
    const asking = ask().finally(() => this.#underWay.delete(server));
    this.#underWay.set(server, asking);
    return asking;
  }

  async #direct(server: ServerName, isCalling: boolean, time: Millis): Promise<void> {
    const { client, log } = this.#uses;
    const answer = await client.call({
      server,
      method: 'GET',
      path: '/_matrix/key/v2/server',
      signed: false,
      isHearsay: true,
      isAside: true,
      evenIfDown: isCalling,
      timeout: time,
      maxBytes,
    });
    // Not asked, because it does not answer anybody: `cameBack` is told when it does.
    if (!answer.ok && answer.kind === 'down') return;
    const isGood = answer.ok && this.#take(answer.value, server, true);
    if (isGood) this.#memory.answered(server);
    else this.#memory.failed(server);
    if (answer.ok && !isGood) log.warn('federation.bad_keys', { server });
  }

  /** Whether it was of any use: an answer that cannot be used is not, one that tells of nobody may well be honest. */
  async #askNotary(notary: ServerName, wanted: ReadonlyMap<ServerName, WantedKeys>): Promise<boolean> {
    const { client, log, clock } = this.#uses;
    const query: JsonObject = {};
    for (const [server, { keyIds, validAt }] of wanted) {
      query[server] = Object.fromEntries([...keyIds].map((id) => [id, { minimum_valid_until_ts: validAt }]));
    }
    const answer = await client.call({
      server: notary,
      method: 'POST',
      path: '/_matrix/key/v2/query',
      content: { server_keys: query },
      timeout,
      maxBytes: maxBytes * perQuestion,
    });
    if (!answer.ok) return false;
    const found = answer.value['server_keys'];
    if (!Array.isArray(found)) return false;
    const answers = found.filter(isJsonObject);
    let signed = 0;
    await this.#learnKeysOf(notary, answers);
    await unhurried(clock, answers, (each) => {
      const server = each['server_name'];
      const name = [...wanted.keys()].find((other) => other === server);
      // A notary may tell more than it was asked for, and the same server several times.
      if (name === undefined) return;
      const isSigned = this.#isSignedBy(notary, each);
      if (isSigned) signed++;
      if (!isSigned || !this.#take(each, name, false)) {
        log.warn('federation.bad_notary_answer', { notary, server: name });
      }
    });
    return signed > 0 || found.length === 0;
  }

  /** What signs a notary's answers has to be known first; it is asked of the notary itself. */
  async #learnKeysOf(notary: ServerName, answers: readonly JsonObject[]): Promise<void> {
    const keyIds = new Set(
      answers.slice(0, perQuestion).flatMap((each) => signaturesOf(each, notary).map(([id]) => id)),
    );
    const wanted = { keyIds, validAt: this.#uses.clock.now() };
    if (this.isMet(notary, wanted) || !this.#memory.mayAsk(notary, true)) return;
    await this.#askDirectly(notary, true);
  }

  #isSignedBy(notary: ServerName, answer: JsonObject): boolean {
    const { known, clock } = this.#uses;
    const now = clock.now();
    return signaturesOf(answer, notary).some(([keyId]) => {
      const found = known.get(notary, keyId);
      return found !== undefined && found.validUntil >= now && verifyJson(answer, notary, keyId, found.key);
    });
  }

  /** Writes an answer down if it is good and about that server. */
  #take(answer: JsonObject, server: ServerName, isDirect: boolean): boolean {
    const published = readPublishedKeys(answer);
    if (published?.server !== server) return false;
    this.#uses.known.store(published, answer, isDirect);
    return true;
  }
}
