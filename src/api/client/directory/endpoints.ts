import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { spaceHierarchy } from './hierarchy.ts';
import { knownDirectory } from './known-directory.ts';
import { mutualRooms, unstableMutualRooms } from './mutual-rooms.ts';
import { getPublicRooms, searchPublicRooms } from './public-rooms.ts';
import { roomSummary } from './room-summary.ts';
import { searchUsers } from './user-directory.ts';

/** Finding rooms and people. */
export function directoryEndpoints(services: Services): Endpoint[] {
  const known = services.directory.knownDirectory;
  const own = known === undefined ? [] : [knownDirectory(known)];
  const endpoints = [
    getPublicRooms,
    mutualRooms,
    roomSummary,
    searchPublicRooms,
    searchUsers,
    spaceHierarchy,
    unstableMutualRooms,
  ].map((make) => make(services));
  return [...endpoints, ...own];
}
