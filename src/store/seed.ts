import type { Connection } from './database/connection.ts';
import { FIRST_FREE_NID, wellKnownTypes } from './interning/well-known.ts';

/** Writes the rows that every database has from its first moment on. Part of migration 1. */
export function seed(connection: Connection): void {
  const type = connection.prepare('INSERT INTO event_type (nid, name) VALUES (?, ?)');
  const stateKey = connection.prepare("INSERT INTO state_key (nid, type, skey) VALUES (?, ?, '')");
  for (const [nid, name] of wellKnownTypes) {
    type.run(nid, name);
    stateKey.run(nid, nid);
  }
  connection
    .prepare("UPDATE sqlite_sequence SET seq = ? WHERE name IN ('event_type', 'state_key')")
    .run(FIRST_FREE_NID - 1);
  // BigInt: the driver binds a number as REAL, and `meta.value` takes any type as it comes.
  const meta = connection.prepare('INSERT INTO meta (key, value) VALUES (?, ?)');
  meta.run('epoch', 1n);
  meta.run('reserved_pos', 0n);
}
