import type { ServerName } from '../protocol/ids/types.ts';
import type { AuthEvents } from '../rooms/auth-events.ts';
import type { KnownRooms } from '../rooms/known-rooms.ts';
import type { Stores } from '../store/stores.ts';
import { SpaceHierarchy } from './hierarchy.ts';
import { MutualRooms } from './mutual-rooms.ts';
import { OpenRooms } from './open-rooms.ts';
import { PublicRooms } from './public-rooms.ts';
import { RoomSummaries } from './room-summaries.ts';
import type { UserDirectory } from './user-directory.ts';

/** Finding rooms and people. */
export interface Directory {
  readonly publicRooms: PublicRooms;
  readonly userDirectory: UserDirectory;
  readonly hierarchy: SpaceHierarchy;
  readonly summaries: RoomSummaries;
  readonly mutualRooms: MutualRooms;
  readonly openRooms: OpenRooms;
}

export interface DirectoryUses {
  readonly stores: Stores;
  readonly serverName: ServerName;
  readonly knownRooms: KnownRooms;
  readonly authEvents: AuthEvents;
  readonly userDirectory: UserDirectory;
}

export function createDirectory({
  stores,
  serverName,
  knownRooms,
  authEvents,
  userDirectory,
}: DirectoryUses): Directory {
  const uses = { ...stores, serverName, knownRooms, authEvents };
  return {
    publicRooms: new PublicRooms(uses),
    userDirectory,
    hierarchy: new SpaceHierarchy(uses),
    summaries: new RoomSummaries(uses),
    mutualRooms: new MutualRooms(uses),
    openRooms: new OpenRooms(uses),
  };
}
