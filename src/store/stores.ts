import type { Database } from './db.ts';
import { Interning } from './interning/interning.ts';
import { LocalUsers } from './local-users.ts';
import { PositionStore } from './positions.ts';

/** Everything that reads and writes `hearth.db`, one object per kind of thing. */
export interface Stores {
  readonly interning: Interning;
  readonly positions: PositionStore;
  readonly localUsers: LocalUsers;
}

/** Prepares all statements of all stores. */
export function openStores(db: Database): Stores {
  return {
    interning: new Interning(db),
    positions: new PositionStore(db),
    localUsers: new LocalUsers(db),
  };
}
