import type { Federation } from '../federation/create-federation.ts';
import type { RemoteDirectory } from '../federation/remote-directory.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import type { AuthEvents } from '../rooms/input/auth-events.ts';
import type { KnownRooms } from '../rooms/known-rooms.ts';
import type { WholeRooms } from '../rooms/partial/whole-rooms.ts';
import type { ServerAccess } from '../rooms/server-access.ts';
import type { Database } from '../store/db.ts';
import type { Stores } from '../store/stores.ts';
import type { Clock } from '../util/clock.ts';
import type { Log } from '../util/log.ts';
import { type CrawlSettings, DirectoryCrawl } from './directory-crawl.ts';
import { SpaceHierarchy } from './hierarchy.ts';
import { JoinedCounts } from './joined-counts.ts';
import { KnownDirectory } from './known-directory.ts';
import { MutualRooms } from './mutual-rooms.ts';
import { OpenRooms } from './open-rooms.ts';
import { PublicRooms } from './public-rooms.ts';
import { RemotePublicRooms } from './remote-public-rooms.ts';
import { RemoteRoomInfos } from './remote-rooms.ts';
import { RoomComplexity } from './room-complexity.ts';
import { RoomSummaries } from './room-summaries.ts';
import { ServerHierarchy } from './server-hierarchy.ts';
import type { UserDirectory } from './user-directory.ts';

/** Finding rooms and people. */
export interface Directory {
  readonly publicRooms: PublicRooms;
  /** Those of any server. */
  readonly remotePublicRooms: RemotePublicRooms;
  /** Those of all servers that we know; nothing unless the admin wants it. */
  readonly knownDirectory: KnownDirectory | undefined;
  readonly crawl: DirectoryCrawl;
  readonly userDirectory: UserDirectory;
  readonly hierarchy: SpaceHierarchy;
  /** What other servers are told. */
  readonly serverHierarchy: ServerHierarchy;
  readonly complexity: RoomComplexity;
  readonly summaries: RoomSummaries;
  readonly mutualRooms: MutualRooms;
  readonly openRooms: OpenRooms;
}

export interface DirectoryUses {
  readonly stores: Stores;
  readonly serverName: ServerName;
  readonly knownRooms: KnownRooms;
  readonly authEvents: AuthEvents;
  readonly serverAccess: ServerAccess;
  readonly wholeRooms: WholeRooms;
  readonly userDirectory: UserDirectory;
  readonly federation: Pick<Federation, 'client'>;
  readonly remoteDirectory: RemoteDirectory;
  readonly clock: Clock;
  readonly db: Database;
  readonly log: Log;
  readonly crawlSettings: CrawlSettings;
}

export function createDirectory(given: DirectoryUses): Directory {
  const { stores, userDirectory, serverName, clock } = given;
  const { client } = given.federation;
  const remoteRooms = new RemoteRoomInfos({ client, serverName, clock });
  // The stores last: services may have the name of one.
  const { wholeRooms } = given;
  const joinedCounts = new JoinedCounts({ ...stores, wholeRooms, remoteRooms });
  const uses = { ...given, ...stores, remoteRooms, joinedCounts };
  const publicRooms = new PublicRooms(uses);
  const remotePublicRooms = new RemotePublicRooms({ client, serverName, publicRooms });
  const settings = given.crawlSettings;
  return {
    publicRooms,
    remotePublicRooms,
    knownDirectory: settings.enabled ? new KnownDirectory({ ...stores, publicRooms }) : undefined,
    crawl: new DirectoryCrawl({
      ...stores,
      db: given.db,
      clock,
      log: given.log.child('directory'),
      remotePublicRooms,
      settings,
    }),
    userDirectory,
    hierarchy: new SpaceHierarchy(uses),
    serverHierarchy: new ServerHierarchy(uses),
    complexity: new RoomComplexity(uses),
    summaries: new RoomSummaries(uses),
    mutualRooms: new MutualRooms(uses),
    openRooms: new OpenRooms(uses),
  };
}
