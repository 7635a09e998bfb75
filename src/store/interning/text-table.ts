import type { Preparing } from '../database/reader.ts';
import type { Statement } from '../database/statement.ts';
import { NidCache } from './nid-cache.ts';

/** Strings of one kind, each stored as it is in a table of (nid, text). */
export class TextTable<N extends number, T extends string> {
  readonly #db: Preparing;
  readonly #table: string;
  readonly #cache: NidCache<N, T>;
  readonly #find: Statement<[string], N>;
  readonly #insert: Statement<[string], never>;
  readonly #text: Statement<[number], T>;

  constructor(db: Preparing, table: string, column: string, cacheLimit: number) {
    this.#db = db;
    this.#table = table;
    this.#cache = new NidCache(cacheLimit);
    this.#find = db.prepare<[string], N>(`SELECT nid FROM ${table} WHERE ${column} = ?`).pluck();
    this.#insert = db.prepare(`INSERT INTO ${table} (${column}) VALUES (?)`);
    this.#text = db.prepare<[number], T>(`SELECT ${column} FROM ${table} WHERE nid = ?`).pluck();
  }

  find(text: string): N | undefined {
    const cached = this.#cache.nid(text);
    if (cached !== undefined) return cached;
    const key = text.toWellFormed();
    const nid = this.#find.get(key);
    if (nid !== undefined && key === text) this.#cache.setNid(text, nid);
    return nid;
  }

  intern(text: string): N {
    const known = this.find(text);
    if (known !== undefined) return known;
    // What UTF-8 cannot say is stored with replacement characters, and must not be kept in memory otherwise.
    const key = text.toWellFormed();
    const nid = this.#insert.run(key).lastInsertRowid as N;
    this.#db.afterRollback(() => this.#cache.delete(key, nid));
    this.#cache.setNid(key, nid);
    return nid;
  }

  text(nid: N): T {
    const cached = this.#cache.value(nid);
    if (cached !== undefined) return cached;
    const text = this.#read(nid);
    this.#cache.setValue(nid, text);
    return text;
  }

  /** The same, not kept in memory. */
  passingText(nid: N): T {
    return this.#cache.value(nid) ?? this.#read(nid);
  }

  #read(nid: N): T {
    const text = this.#text.get(nid);
    if (text === undefined) throw new Error(`${this.#table} has no NID ${nid}`);
    return text;
  }

  clearCache(): void {
    this.#cache.clear();
  }
}
