import type { Database } from '../db.ts';
import type { UserNid } from '../nids.ts';

/** Far more than the apps of a person use; what was stored before goes. */
const maxFilters = 200;

/** Filters that clients have stored. The same filter gets the same ID, so that they do not pile up. */
export class FilterStore {
  readonly #find;
  readonly #byDigest;
  readonly #newest;
  readonly #insert;
  readonly #removeAll;
  readonly #removeOld;

  constructor(db: Database) {
    this.#find = db.prepare<[user: number, id: number], { filter: string }>(
      'SELECT filter FROM filter WHERE user = ? AND id = ?',
    );
    this.#byDigest = db.prepare<[user: number, digest: Buffer], { id: number }>(
      'SELECT id FROM filter WHERE user = ? AND digest = ?',
    );
    this.#newest = db.prepare<[user: number], { id: number }>(
      'SELECT id FROM filter WHERE user = ? ORDER BY id DESC LIMIT 1',
    );
    this.#insert = db.prepare<[number, number, Buffer, string]>(
      'INSERT INTO filter (user, id, digest, filter) VALUES (?, ?, ?, ?)',
    );
    this.#removeOld = db.prepare<[user: number, id: number]>('DELETE FROM filter WHERE user = ? AND id <= ?');
    this.#removeAll = db.prepare<[user: number]>('DELETE FROM filter WHERE user = ?');
  }

  /** JSON text. */
  find(user: UserNid, id: number): string | undefined {
    return this.#find.get(user, id)?.filter;
  }

  findByDigest(user: UserNid, digest: Buffer): number | undefined {
    return this.#byDigest.get(user, digest)?.id;
  }

  insert(user: UserNid, digest: Buffer, filter: string): number {
    const id = (this.#newest.get(user)?.id ?? -1) + 1;
    this.#insert.run(user, id, digest, filter);
    this.#removeOld.run(user, id - maxFilters);
    return id;
  }

  removeAll(user: UserNid): void {
    this.#removeAll.run(user);
  }
}
