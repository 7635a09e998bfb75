import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Database } from './db.ts';

/** How much there is, and how much waits. */
export interface Counts {
  readonly accounts: number;
  readonly rooms: number;
  /** Events ever stored: of those that were removed again, the numbers are not used anew. */
  readonly events: number;
  /** Events of other servers that cannot be judged yet. */
  readonly deferredEvents: number;
  /** Rooms whose members are still being fetched. */
  readonly roomsBeingJoined: number;
  /** Of those, the ones whose members could not be had for hours. */
  readonly roomsGivenUp: number;
  /** Other servers that do not answer and for which something waits. */
  readonly waitingServers: number;
  readonly waitingDeviceMessages: number;
}

const questions: Readonly<Record<keyof Counts, string>> = {
  accounts: 'SELECT count(*) FROM account',
  rooms: 'SELECT count(*) FROM room',
  events: 'SELECT coalesce(max(nid), 0) FROM event',
  deferredEvents: 'SELECT count(*) FROM deferred_pdu',
  roomsBeingJoined: 'SELECT (SELECT count(*) FROM room_import) + (SELECT count(*) FROM room_partial)',
  roomsGivenUp: 'SELECT count(*) FROM room_partial WHERE gives_up = 1',
  waitingServers: 'SELECT count(*) FROM destination WHERE failures > 0',
  waitingDeviceMessages: 'SELECT count(*) FROM to_device_out',
};

/** Counts whole tables, the large ones aside: for somebody who asks a few times a minute. */
export class CountStore {
  readonly #statements;

  constructor(db: Database) {
    this.#statements = Object.entries(questions).map(
      ([name, sql]) => [name, db.prepare<[], number>(sql).pluck()] as const,
    );
  }

  counts(): Counts {
    return Object.fromEntries(
      this.#statements.map(([name, statement]) => [name, statement.get() ?? 0]),
    ) as unknown as Counts;
  }
}

/** Bytes of the databases with their logs, and of the folder of spools. */
export function fileSizes(dataDir: string): { files: { file: string; bytes: number }[]; spool: number } {
  const sizeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const files = ['hearth.db', 'hearth.db-wal', 'media.db', 'media.db-wal'];
  const folder = join(dataDir, 'spool');
  const spools = sizeOf(folder) === 0 ? [] : readdirSync(folder);
  return {
    files: files.map((file) => ({ file, bytes: sizeOf(join(dataDir, file)) })),
    spool: spools.reduce((sum, name) => sum + sizeOf(join(folder, name)), 0),
  };
}
