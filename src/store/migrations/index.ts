import foundation from './0001_foundation.sql' with { type: 'text' };

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
  /** The oldest schema version whose program may open a database that has this migration. */
  readonly compat: number;
}

/** All migrations, oldest first. One that has been in a release is never edited. */
export const migrations: readonly Migration[] = [{ version: 1, name: 'foundation', sql: foundation, compat: 1 }];
