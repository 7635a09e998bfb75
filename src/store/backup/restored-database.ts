import Sqlite from 'better-sqlite3';
import { migrations } from '../migrations/index.ts';
import { checkOpenable } from '../migrations/runner.ts';

/** Throws a sentence if this release cannot work on the copy of a `hearth.db`. */
export function checkCopy(file: string): void {
  const connection = new Sqlite(file, { readonly: true, fileMustExist: true });
  try {
    checkOpenable(connection, migrations);
  } finally {
    connection.close();
  }
}

/**
 * Makes a restored `hearth.db` tell from then on that it is not the one that went on without it: another epoch makes
 * the tokens given out by that one worthless, and the note has the rest done at the next start. `now`: milliseconds.
 */
export function markRestored(file: string, now: number): void {
  const db = new Sqlite(file, { fileMustExist: true });
  try {
    // The same backup may be restored twice, with a life in between: the epoch must not come from the backup alone.
    const epoch = db.prepare("SELECT value FROM meta WHERE key = 'epoch'").pluck().get() as number;
    const note = db.prepare(
      'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
    );
    db.transaction(() => {
      note.run('epoch', BigInt(Math.max(epoch + 1, Math.floor(now / 1000))));
      note.run('restored', BigInt(now));
    })();
  } finally {
    db.close();
  }
}
