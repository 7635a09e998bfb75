import { join } from 'node:path';
import Sqlite from 'better-sqlite3';

export interface DiskFigures {
  /** Bytes in use by tables and indexes, freed pages left out. */
  readonly used: number;
  /** Events whose bodies wait for the packer. */
  readonly unpacked: number;
  readonly byTable: ReadonlyMap<string, number>;
}

/** What is in use in a stopped or running server's hearth.db. Reads through SQLite, so its write-ahead log counts. */
export function diskOf(dataDir: string): DiskFigures {
  const db = new Sqlite(join(dataDir, 'hearth.db'), { readonly: true });
  const number = (sql: string): number => db.prepare(sql).pluck().get() as number;
  const used = (number('PRAGMA page_count') - number('PRAGMA freelist_count')) * number('PRAGMA page_size');
  const rows = db.prepare('SELECT name, sum(pgsize) AS size FROM dbstat GROUP BY name').all();
  const figures = {
    used,
    unpacked: number('SELECT count(*) FROM event_raw'),
    byTable: new Map((rows as { name: string; size: number }[]).map((row) => [row.name, row.size])),
  };
  db.close();
  return figures;
}
