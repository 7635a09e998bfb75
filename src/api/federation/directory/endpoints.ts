import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { getPublicRooms, searchPublicRooms } from './public-rooms.ts';
import { queryDirectory, queryOther, queryProfile } from './queries.ts';
import { roomComplexity, serverHierarchy } from './rooms.ts';

/** What other servers ask about rooms and people before they have to do with them. */
export function directoryEndpoints(services: Services): Endpoint[] {
  return [
    queryProfile,
    queryDirectory,
    queryOther,
    getPublicRooms,
    searchPublicRooms,
    serverHierarchy,
    roomComplexity,
  ].map((make) => make(services));
}
