import Sqlite from 'better-sqlite3';

/** The hash of the last row seen, or empty; and how many rows at most. */
export interface ContentPage {
  readonly after: Uint8Array;
  readonly limit: number;
}

function withDatabase<T>(file: string, use: (db: Sqlite.Database) => T): T {
  const db = new Sqlite(file, { fileMustExist: true });
  try {
    db.pragma('cache_size = -1000');
    db.pragma('temp_store = FILE');
    return use(db);
  } finally {
    db.close();
  }
}

/**
 * Makes the copy of a `hearth.db` one file without side files, and, if `ownServer` is given, takes media of all other
 * servers out of it: their bytes are not in the backup.
 */
export function prepareCopy(file: string, ownServer: string | undefined): void {
  withDatabase(file, (db) => {
    db.pragma('journal_mode = DELETE');
    if (ownServer === undefined) return;
    db.transaction(() => {
      db.prepare('DELETE FROM media WHERE server NOT IN (SELECT nid FROM server WHERE name = ?)').run(ownServer);
      db.exec('DELETE FROM thumbnail WHERE content NOT IN (SELECT content FROM media WHERE content IS NOT NULL)');
    })();
  });
}

/** Names of the tables that `checkTable` can look at. */
export function tablesOf(file: string): string[] {
  const sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name";
  return withDatabase(file, (db) => db.prepare(sql).pluck().all() as string[]);
}

/** What SQLite finds wrong with a table and its indexes; nothing, if all is well. */
export function checkTable(file: string, table: string): string[] {
  return withDatabase(file, (db) => {
    const found = db.pragma(`quick_check("${table.replaceAll('"', '""')}")`) as { quick_check: string }[];
    return found.map((row) => row.quick_check).filter((text) => text !== 'ok');
  });
}

/** The hashes of all bytes that the copy of a `hearth.db` names, in order, a page of them. */
export function contentsOf(file: string, { after, limit }: ContentPage): Buffer[] {
  const sql =
    'SELECT content FROM (SELECT content FROM media WHERE content > :after' +
    ' UNION SELECT thumbnail FROM thumbnail WHERE thumbnail > :after) ORDER BY content LIMIT :limit';
  return withDatabase(
    file,
    (db) =>
      db
        .prepare(sql)
        .pluck()
        .all({ after: Buffer.from(after), limit }) as Buffer[],
  );
}
