import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { useNativeFolder } from '../util/native-folder.ts';

/**
 * The right to be the one process that works on a data folder: `serve`, or a command while no server runs. It is a lock
 * on a file that stays empty, taken through SQLite because Node itself cannot lock files; the kernel drops it when the
 * process ends in whatever way.
 */
export class ProcessLock implements Disposable {
  readonly #connection: Sqlite.Database;

  private constructor(connection: Sqlite.Database) {
    this.#connection = connection;
  }

  /** Undefined if another process has it. Makes the folder if need be. */
  static take(dataDir: string): ProcessLock | undefined {
    const folder = join(dataDir, 'tmp');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    useNativeFolder(folder);
    const connection = new Sqlite(join(folder, 'lock'), { timeout: 0 });
    try {
      connection.pragma('journal_mode = OFF'); // nothing is ever written
      connection.pragma('cache_size = -8');
      connection.exec('BEGIN EXCLUSIVE');
      return new ProcessLock(connection);
    } catch (error) {
      connection.close();
      if (error instanceof Sqlite.SqliteError && error.code === 'SQLITE_BUSY') return undefined;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }
}
