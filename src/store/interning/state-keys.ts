import type { Preparing } from '../database/reader.ts';
import type { Statement } from '../database/statement.ts';
import type { StateKeyNid, TypeNid } from '../nids.ts';
import { NidCache } from './nid-cache.ts';
import { FIRST_FREE_NID } from './well-known.ts';

export interface StateKeyRow {
  readonly typeNid: TypeNid;
  readonly skey: string;
}

/** (type, state_key) pairs. */
export class StateKeyTable {
  readonly #db: Preparing;
  readonly #cache: NidCache<StateKeyNid, StateKeyRow>;
  readonly #find: Statement<[number, string], StateKeyNid>;
  readonly #insert: Statement<[number, string], never>;
  readonly #row: Statement<[number], StateKeyRow>;

  constructor(db: Preparing, cacheLimit: number) {
    this.#db = db;
    this.#cache = new NidCache(cacheLimit);
    this.#find = db
      .prepare<[number, string], StateKeyNid>('SELECT nid FROM state_key WHERE type = ? AND skey = ?')
      .pluck();
    this.#insert = db.prepare('INSERT INTO state_key (type, skey) VALUES (?, ?)');
    this.#row = db.prepare('SELECT type AS typeNid, skey FROM state_key WHERE nid = ?');
  }

  find(type: TypeNid, skey: string): StateKeyNid | undefined {
    if (skey === '' && type < FIRST_FREE_NID) return type as number as StateKeyNid;
    // A type's number has no space: the first one ends it.
    const key = `${type} ${skey}`;
    const cached = this.#cache.nid(key);
    if (cached !== undefined) return cached;
    const nid = this.#find.get(type, skey.toWellFormed());
    if (nid !== undefined && skey.isWellFormed()) this.#cache.setNid(key, nid);
    return nid;
  }

  intern(type: TypeNid, skey: string): StateKeyNid {
    const known = this.find(type, skey);
    if (known !== undefined) return known;
    const stored = skey.toWellFormed();
    const nid = this.#insert.run(type, stored).lastInsertRowid as StateKeyNid;
    const key = `${type} ${stored}`;
    this.#db.afterRollback(() => this.#cache.delete(key, nid));
    this.#cache.setNid(key, nid);
    return nid;
  }

  row(nid: StateKeyNid): StateKeyRow {
    const cached = this.#cache.value(nid);
    if (cached !== undefined) return cached;
    const row = this.#read(nid);
    this.#cache.setValue(nid, row);
    return row;
  }

  /** The same, not kept in memory. */
  passingRow(nid: StateKeyNid): StateKeyRow {
    return this.#cache.value(nid) ?? this.#read(nid);
  }

  #read(nid: StateKeyNid): StateKeyRow {
    const row = this.#row.get(nid);
    if (row === undefined) throw new Error(`state_key has no NID ${nid}`);
    return row;
  }

  clearCache(): void {
    this.#cache.clear();
  }
}
