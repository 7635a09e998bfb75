import type { Database } from '../db.ts';
import { EmptyRoomStore } from './empty-rooms.ts';
import { RoomCostStore } from './room-costs.ts';
import { RoomLimitStore } from './room-limits.ts';
import { RoomPurgeStore } from './room-purge.ts';

/** What rooms cost, and may cost. */
export interface LimitStores {
  readonly roomLimits: RoomLimitStore;
  readonly roomPurges: RoomPurgeStore;
  readonly emptyRooms: EmptyRoomStore;
  readonly roomCosts: RoomCostStore;
}

export function openLimitStores(db: Database): LimitStores {
  return {
    roomLimits: new RoomLimitStore(db),
    roomPurges: new RoomPurgeStore(db),
    emptyRooms: new EmptyRoomStore(db),
    roomCosts: new RoomCostStore(db),
  };
}
