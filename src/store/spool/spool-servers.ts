import type Sqlite from 'better-sqlite3';
import type { ServerName } from '../../protocol/ids/types.ts';

/** The servers that are in a room by the word of an answer, each once. */
export class SpoolServers {
  readonly #add;
  readonly #page;

  constructor(db: Sqlite.Database) {
    this.#add = db.prepare<[string], never>('INSERT OR IGNORE INTO server (name) VALUES (?)');
    this.#page = db.prepare<[number, number], { nid: number; server: ServerName }>(
      'SELECT nid, name AS server FROM server WHERE nid > ? ORDER BY nid LIMIT ?',
    );
  }

  add(name: ServerName): void {
    this.#add.run(name);
  }

  page(after: number, limit: number): { readonly nid: number; readonly server: ServerName }[] {
    return this.#page.all(after, limit);
  }
}
