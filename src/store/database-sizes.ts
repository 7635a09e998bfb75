import type { Database } from './db.ts';

/** Bytes on disk. */
export interface DatabaseSizes {
  /** `hearth.db` as a whole. */
  readonly file: number;
  /** What of it is free, and used before the file grows or given back. */
  readonly free: number;
  /** What the index of messages takes. */
  readonly search: number;
}

const searchTables = ['message_text_data', 'message_text_docsize', 'message_text_idx'];

/** Measures `hearth.db`. Reads the search index page by page: for an admin who asks, not for every second. */
export class DatabaseMeter {
  readonly #pageSize;
  readonly #pages;
  readonly #freePages;
  readonly #table;

  constructor(db: Database) {
    this.#pageSize = db.prepare<[], number>('PRAGMA page_size').pluck();
    this.#pages = db.prepare<[], number>('PRAGMA page_count').pluck();
    this.#freePages = db.prepare<[], number>('PRAGMA freelist_count').pluck();
    this.#table = db
      .prepare<[name: string], number | null>('SELECT sum(pgsize) FROM dbstat WHERE name = ? AND aggregate = 1')
      .pluck();
  }

  sizes(): DatabaseSizes {
    const pageSize = this.#pageSize.get() ?? 0;
    return {
      file: (this.#pages.get() ?? 0) * pageSize,
      free: (this.#freePages.get() ?? 0) * pageSize,
      search: searchTables.reduce((sum, name) => sum + (this.#table.get(name) ?? 0), 0),
    };
  }
}
