import type { Database } from '../db.ts';
import { RoomLimitStore } from './room-limits.ts';

/** What rooms cost, and may cost. */
export interface LimitStores {
  readonly roomLimits: RoomLimitStore;
}

export function openLimitStores(db: Database): LimitStores {
  return { roomLimits: new RoomLimitStore(db) };
}
