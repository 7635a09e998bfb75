import type { KeyId, ServerName } from '../../protocol/ids/types.ts';
import { VerifyKey } from '../../protocol/signing/keys.ts';
import type { PublishedKeys } from '../../protocol/signing/server-keys.ts';
import type { Database } from '../../store/db.ts';
import type { RemoteKeyAnswer, RemoteKeyStore } from '../../store/federation/remote-keys.ts';
import type { Interning } from '../../store/interning/interning.ts';
import { type Millis, millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import type { JsonObject } from '../../util/json.ts';
import { Lru } from '../../util/lru.ts';

export interface KnownKeysUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly remoteKeys: RemoteKeyStore;
  readonly clock: Clock;
}

/** A key of another server, ready for use. */
export interface KnownKey {
  readonly key: VerifyKey;
  readonly validUntil: Millis;
  readonly isExpired: boolean;
}

/**
 * However far ahead a server says that its keys are valid, they have to be asked for again after a week: it may have
 * lost one meanwhile.
 * @see https://spec.matrix.org/v1.19/rooms/v5/#signing-key-validity-period
 */
const longestValidity = 7 * 24 * 60 * 60 * 1000;

/** Prepared keys, about 1 KiB each: those of the servers that are talking now. */
const prepared = 512;

/** A longer answer is used, but not kept for others: most have some hundred bytes. */
const longestKept = 8 * 1024;

/** Answers kept, and keys of each server: whoever makes up names and keys without end does not fill the disk with them. */
const mostAnswers = 10_000;
const mostKeys = 64;

/** The keys of other servers that are in the database. */
export class KnownKeys {
  readonly #uses: KnownKeysUses;
  readonly #prepared = new Lru<string, KnownKey>(prepared);

  constructor(uses: KnownKeysUses) {
    this.#uses = uses;
  }

  get(server: ServerName, keyId: KeyId): KnownKey | undefined {
    const name = `${server} ${keyId}`;
    const found = this.#prepared.get(name);
    if (found !== undefined) return found;
    const { interning, remoteKeys } = this.#uses;
    const nid = interning.findServer(server);
    const row = nid === undefined ? undefined : remoteKeys.get(nid, keyId);
    const key = row && VerifyKey.from(row.publicKey);
    if (row === undefined || key === undefined) return undefined;
    const known = { key, validUntil: row.validUntil, isExpired: row.expired === 1 };
    this.#prepared.set(name, known);
    return known;
  }

  /** The last answer of a server about its keys. */
  answer(server: ServerName): RemoteKeyAnswer | undefined {
    const nid = this.#uses.interning.findServer(server);
    return nid === undefined ? undefined : this.#uses.remoteKeys.answer(nid);
  }

  /**
   * Writes an answer down. One that came by a notary may be older than what is known already: then it only adds keys
   * that were not known.
   */
  store(published: PublishedKeys, answer: JsonObject, isDirect: boolean): void {
    const { db, interning, remoteKeys, clock } = this.#uses;
    const fetched = clock.now();
    const limit = (time: number) => millis(Math.min(time, fetched + longestValidity));
    const validUntil = limit(published.validUntil);
    // Not canonical: what no signature covers may hold numbers and texts that have no canonical form.
    const text = JSON.stringify(answer);
    db.write<void>(() => {
      const nid = interning.server(published.server);
      const isNews = isDirect || validUntil >= (remoteKeys.answer(nid)?.validUntil ?? 0);
      for (const { keyId, key, expired } of published.keys) {
        const row = {
          keyId,
          publicKey: key.bytes,
          validUntil: expired === undefined ? validUntil : limit(expired),
          expired: expired === undefined ? 0 : 1,
        } as const;
        if (isNews) remoteKeys.put(nid, row);
        else remoteKeys.add(nid, row);
      }
      remoteKeys.trim(nid, mostKeys);
      if (isNews && text.length <= longestKept) remoteKeys.putAnswer(nid, { answer: text, validUntil, fetched });
    });
    for (const { keyId } of published.keys) this.#prepared.delete(`${published.server} ${keyId}`);
  }

  /** Forgets what is too much, at most `limit` servers of it; true if there is more. */
  forgetSome(limit: number): boolean {
    return this.#uses.db.write(() => this.#uses.remoteKeys.forget(mostAnswers, limit));
  }
}
