/** Stands in for better-sqlite3's search for its native part. */
import { loadNative } from './native-parts.ts';

let addon: unknown;

export function getBinding(): unknown {
  addon ??= loadNative('sqlite', 'better_sqlite3.node');
  return addon;
}
