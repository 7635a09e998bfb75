import type { KeyId, ServerName } from '../protocol/ids/types.ts';
import { VerifyKey } from '../protocol/signing/keys.ts';
import type { RemoteKeyAnswer } from '../store/federation/remote-keys.ts';
import type { ServerKeyStore } from '../store/server-keys.ts';
import { type Millis, millis } from '../util/brand.ts';
import type { Clock } from '../util/clock.ts';
import { unhurried } from '../util/slices.ts';
import type { KeyFetcher, WantedKeys } from './keys/key-fetcher.ts';
import type { KnownKeys } from './keys/known-keys.ts';
import type { FederationPolicy } from './policy.ts';

interface KeyRingUses {
  readonly serverName: ServerName;
  readonly serverKeys: ServerKeyStore;
  readonly known: KnownKeys;
  readonly fetcher: KeyFetcher;
  readonly policy: FederationPolicy;
  readonly clock: Clock;
}

/** Keys of a server that something is signed with. */
export interface WantedKey {
  readonly server: ServerName;
  readonly keyIds: readonly KeyId[];
  /** When it was signed, as it says. */
  readonly validAt: Millis;
}

/** Keys that are used this shortly before their time is over are asked for again, without anybody waiting for it. */
const refreshAhead = 60 * 60 * 1000;

/** The public keys of all servers, our own too. */
export class KeyRing {
  readonly #uses: KeyRingUses;
  /** Our own keys, prepared: a handful. */
  readonly #own = new Map<KeyId, VerifyKey>();

  constructor(uses: KeyRingUses) {
    this.#uses = uses;
  }

  /**
   * Makes keys known, as far as they can be had: from the database, else from notaries and the servers themselves, all
   * servers together, so many at once. Ends early with the signal. Never rejects.
   */
  async ensure(wanted: Iterable<WantedKey>, signal?: AbortSignal): Promise<void> {
    const missing = await this.#missing(wanted);
    if (missing.size === 0 || signal?.aborted === true) return;
    await orAborted(this.#uses.fetcher.fetch(missing, false), signal);
  }

  /** The same for the key of a server that is just calling us: it is asked although it may not have answered lately. */
  async ensureCaller(server: ServerName, keyId: KeyId): Promise<void> {
    const missing = await this.#missing([{ server, keyIds: [keyId], validAt: this.#uses.clock.now() }]);
    if (missing.size > 0) await this.#uses.fetcher.fetch(missing, true);
  }

  /** Forgets keys of servers that nobody has had to do with for long, if there are too many; true if there is more. */
  forgetSome(limit: number): boolean {
    return this.#uses.known.forgetSome(limit);
  }

  /**
   * The key, if it is known and was valid at that time. `strict` is false for events of room versions 1 to 4, where a
   * key that is known is good for all times.
   * @see https://spec.matrix.org/v1.19/rooms/v5/#signing-key-validity-period
   */
  key(server: ServerName, keyId: KeyId, validAt: Millis, strict: boolean): VerifyKey | undefined {
    if (server === this.#uses.serverName) return this.#ownKey(keyId, validAt, strict);
    const known = this.#uses.known.get(server, keyId);
    return known === undefined || (strict && known.validUntil < validAt) ? undefined : known.key;
  }

  /** The key, if it is known, and the end of the time in which what it signed counts. */
  keyWithEnd(server: ServerName, keyId: KeyId): { readonly key: VerifyKey; readonly validUntil: Millis } | undefined {
    if (server !== this.#uses.serverName) return this.#uses.known.get(server, keyId);
    const key = this.#ownKey(keyId, millis(0), false);
    const row = this.#uses.serverKeys.list().find((each) => each.keyId === keyId);
    return key && { key, validUntil: row?.expired ?? millis(Number.MAX_SAFE_INTEGER) };
  }

  /** The last answer of a server about its keys, asked for again if it is not valid for so long. */
  async answerOf(
    server: ServerName,
    keyIds: readonly KeyId[],
    validUntil: Millis,
  ): Promise<RemoteKeyAnswer | undefined> {
    const { known, fetcher, policy } = this.#uses;
    if (!policy.mayTalkTo(server)) return undefined;
    const before = this.keptAnswer(server, keyIds, validUntil);
    if (before !== undefined) return before;
    await fetcher.fetch(new Map([[server, { keyIds: new Set(keyIds), validAt: validUntil }]]), false);
    return known.answer(server);
  }

  /** The same, if nobody has to be asked for it. */
  keptAnswer(server: ServerName, keyIds: readonly KeyId[], validUntil: Millis): RemoteKeyAnswer | undefined {
    const { known, policy } = this.#uses;
    const kept = policy.mayTalkTo(server) ? known.answer(server) : undefined;
    const isEnough = kept !== undefined && kept.validUntil >= validUntil;
    return isEnough && keyIds.every((keyId) => known.get(server, keyId) !== undefined) ? kept : undefined;
  }

  /** A large room has thousands of servers: the keys of those in the database are prepared on the way. */
  async #missing(wanted: Iterable<WantedKey>): Promise<Map<ServerName, WantedKeys>> {
    const { serverName, policy, fetcher, clock, known } = this.#uses;
    const soon = clock.now() + refreshAhead;
    const missing = new Map<ServerName, { keyIds: Set<KeyId>; validAt: Millis }>();
    await unhurried(clock, wanted, ({ server, keyIds, validAt }) => {
      if (server === serverName) return;
      for (const keyId of keyIds) {
        const found = known.get(server, keyId);
        if (found !== undefined && found.validUntil >= validAt) {
          const isEnding = !found.isExpired && found.validUntil < soon && validAt > clock.now() - refreshAhead;
          if (isEnding && policy.mayTalkTo(server)) fetcher.refresh(server);
          continue;
        }
        if (!policy.mayTalkTo(server)) continue;
        const before = missing.get(server) ?? { keyIds: new Set(), validAt: millis(0) };
        before.keyIds.add(keyId);
        // What claims to be of the future is no reason to ask again and again.
        before.validAt = millis(Math.max(before.validAt, Math.min(validAt, soon)));
        missing.set(server, before);
      }
    });
    return missing;
  }

  #ownKey(keyId: KeyId, validAt: Millis, strict: boolean): VerifyKey | undefined {
    const row = this.#uses.serverKeys.list().find((each) => each.keyId === keyId);
    if (row === undefined || (strict && row.expired !== null && row.expired < validAt)) return undefined;
    const prepared = this.#own.get(keyId) ?? VerifyKey.from(row.publicKey);
    if (prepared !== undefined) this.#own.set(keyId, prepared);
    return prepared;
  }
}

/** Waits for the work, or for the signal. */
function orAborted(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return work;
  return new Promise((resolve) => {
    const end = () => {
      signal.removeEventListener('abort', end);
      resolve();
    };
    signal.addEventListener('abort', end);
    void work.then(end, end);
  });
}
