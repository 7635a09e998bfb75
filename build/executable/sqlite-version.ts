/** Stands in for `src/store/sqlite-version.ts`: `hearth version` has no folder to unpack SQLite into. */
declare const SQLITE_VERSION: string;

export function sqliteVersion(): string {
  return SQLITE_VERSION;
}
