import Sqlite from 'better-sqlite3';

export type Connection = Sqlite.Database;

/** "Hrth": tells our files from other programs' databases. */
export const APPLICATION_ID = 0x48727468;
export const PAGE_SIZE = 4096;
/** After a checkpoint the -wal file is cut back to this, so that one burst does not hold disk space for ever. */
const JOURNAL_SIZE_LIMIT = 8 * 1024 * 1024;
/** Only a blocking checkpoint or another process (backup, command line) ever makes us wait. */
const BUSY_TIMEOUT_MS = 10_000;

/** Opens the one writing connection of the process. */
export function openWriter(file: string, cacheKib: number): Connection {
  const connection = new Sqlite(file, { timeout: BUSY_TIMEOUT_MS });
  try {
    // Both must be said before the first table exists; later they are ignored.
    connection.pragma(`page_size = ${PAGE_SIZE}`);
    connection.pragma('auto_vacuum = INCREMENTAL');
    connection.pragma('journal_mode = WAL');
    // Checkpoints belong to a worker: see durability/checkpoints.ts.
    connection.pragma('wal_autocheckpoint = 0');
    connection.pragma(`journal_size_limit = ${JOURNAL_SIZE_LIMIT}`);
    setCommon(connection, cacheKib);
  } catch (error) {
    connection.close();
    throw error;
  }
  return connection;
}

/** Opens a connection that only reads. */
export function openReader(file: string, cacheKib: number): Connection {
  const connection = new Sqlite(file, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
  setCommon(connection, cacheKib);
  return connection;
}

/** Opens a connection that does nothing but checkpoints. */
export function openCheckpointer(file: string): Connection {
  const connection = new Sqlite(file, { fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
  connection.pragma('wal_autocheckpoint = 0');
  connection.pragma(`journal_size_limit = ${JOURNAL_SIZE_LIMIT}`);
  // A checkpoint copies pages through a buffer of its own; the cache stays empty.
  setCommon(connection, 64);
  return connection;
}

function setCommon(connection: Connection, cacheKib: number): void {
  // In WAL mode NORMAL leaves out the sync at each commit, and keeps those around a checkpoint and a restart of the
  // WAL: the file can never be damaged, and durability/wal-sync.ts adds the sync that a commit's promise needs.
  connection.pragma('synchronous = NORMAL');
  // The driver's default is on. NIDs are never deleted from under their users, and checks would cost every write.
  connection.pragma('foreign_keys = OFF');
  connection.pragma(`cache_size = -${cacheKib}`);
  // Big sorts go to a file, not to RAM.
  connection.pragma('temp_store = FILE');
  connection.pragma('mmap_size = 0');
}
