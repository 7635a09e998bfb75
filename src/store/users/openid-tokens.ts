import type { Database } from '../db.ts';
import type { UserNid } from '../nids.ts';

/** Tokens by which people show other services who they are; only their SHA-256 is kept. */
export class OpenIdTokenStore {
  readonly #insert;
  readonly #find;
  readonly #removeExpired;

  constructor(db: Database) {
    this.#insert = db.prepare<[hash: Buffer, user: number, expires: number]>(
      'INSERT INTO openid_token (hash, user, expires) VALUES (?, ?, ?)',
    );
    this.#find = db.prepare<[hash: Buffer], { user: UserNid; expires: number }>(
      'SELECT user, expires FROM openid_token WHERE hash = ?',
    );
    this.#removeExpired = db.prepare<[now: number, limit: number]>(
      'DELETE FROM openid_token WHERE hash IN (SELECT hash FROM openid_token WHERE expires <= ? ORDER BY expires LIMIT ?)',
    );
  }

  insert(hash: Buffer, user: UserNid, expires: number): void {
    this.#insert.run(hash, user, expires);
  }

  find(hash: Buffer): { readonly user: UserNid; readonly expires: number } | undefined {
    return this.#find.get(hash);
  }

  /** At most `limit` of them, those that ended first. */
  removeExpired(now: number, limit: number): void {
    this.#removeExpired.run(now, limit);
  }
}
