import type { Log } from '../../util/log.ts';
import { APPLICATION_ID, type Connection } from '../database/connection.ts';
import { NotOurDatabase, StoreTooNew } from '../database/errors.ts';
import { seed } from '../seed.ts';
import type { Migration } from './index.ts';

/**
 * Brings the schema up to the newest migration, one exclusive transaction each; a crash between two resumes there.
 * @throws StoreTooNew, NotOurDatabase
 */
export function migrate(connection: Connection, migrations: readonly Migration[], log: Log): void {
  checkOpenable(connection, migrations);
  const present = schemaVersion(connection);
  for (const migration of migrations) {
    if (migration.version <= present) continue;
    connection.exec('BEGIN EXCLUSIVE');
    try {
      connection.exec(migration.sql);
      if (migration.version === 1) {
        connection.pragma(`application_id = ${APPLICATION_ID}`);
        seed(connection);
      }
      connection
        .prepare(
          "INSERT INTO meta (key, value) VALUES ('compat_version', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
        )
        .run(BigInt(migration.compat));
      connection.pragma(`user_version = ${migration.version}`);
      connection.exec('COMMIT');
    } catch (error) {
      if (connection.inTransaction) connection.exec('ROLLBACK');
      throw error;
    }
    log.info('store.migrated', { version: migration.version, name: migration.name });
  }
}

/**
 * Refuses a file that this program must not touch; changes nothing.
 * @throws StoreTooNew, NotOurDatabase
 */
export function checkOpenable(connection: Connection, migrations: readonly Migration[]): void {
  const file = connection.name;
  const application = Number(connection.pragma('application_id', { simple: true }));
  const empty = connection.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0;
  if (application !== APPLICATION_ID && !(empty && application === 0)) {
    throw new NotOurDatabase(`${file} is a database of another program. Nothing was changed. Check data_dir.`);
  }
  const newest = migrations.at(-1)?.version ?? 0;
  const present = schemaVersion(connection);
  if (present <= newest) return;
  const compat = Number(connection.prepare("SELECT value FROM meta WHERE key = 'compat_version'").pluck().get());
  // A newer release says itself which older ones may still open what it has written.
  if (compat <= newest) return;
  throw new StoreTooNew(
    `${file} was written by a newer Hearth (schema ${present}; this one knows ${newest}). Nothing was changed. ` +
      'Install that release again, or restore a backup made before the upgrade.',
  );
}

function schemaVersion(connection: Connection): number {
  return Number(connection.pragma('user_version', { simple: true }));
}
