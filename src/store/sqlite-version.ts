import Sqlite from 'better-sqlite3';

/** The version of SQLite that is built in, `3.54.1`. */
export function sqliteVersion(): string {
  const connection = new Sqlite(':memory:');
  try {
    return connection.prepare<[], string>('SELECT sqlite_version()').pluck().get() ?? '';
  } finally {
    connection.close();
  }
}
