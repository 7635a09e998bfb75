import type { Config } from '../config/config.ts';
import type { Directory } from '../directory/create-directory.ts';
import type { E2ee } from '../e2ee/create-e2ee.ts';
import type { Presence } from '../ephemeral/presence.ts';
import type { Receipts } from '../ephemeral/receipts.ts';
import type { TypingService } from '../ephemeral/typing-service.ts';
import type { Federation } from '../federation/create-federation.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import type { Media } from '../media/media.ts';
import type { Thumbnails } from '../media/thumbnails.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import type { Notifications } from '../push/notifications.ts';
import type { PushRules } from '../push/push-rules.ts';
import type { Pushers } from '../push/pushers.ts';
import type { BackfillServices } from '../rooms/backfill/create-backfill.ts';
import type { Receiving } from '../rooms/receive/create-receiving.ts';
import type { Serving } from '../rooms/remote/serve/create-serving.ts';
import type { Reports } from '../rooms/reports.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { DelayedEvents } from '../rooms/send/delayed-events.ts';
import type { Search } from '../search/search.ts';
import type { EventStream } from '../sync/old/event-stream.ts';
import type { Snapshots } from '../sync/old/snapshots.ts';
import type { Sync } from '../sync/sync.ts';
import type { RemoteProfiles } from '../users/profiles/remote-profiles.ts';
import type { Users } from '../users/users.ts';
import type { Clock } from '../util/clock.ts';
import type { RateLimits } from './http/rate-limits.ts';
import type { StrangersTurns } from './http/strangers-turns.ts';

/** What endpoints tell of the server itself. */
export interface ServerInfo {
  readonly serverName: ServerName;
  /** Where clients reach it; without a public address it does not say. */
  readonly publicUrl: string | undefined;
  readonly defaultRoomVersion: string;
  /** How far ahead events may be sent, milliseconds. */
  readonly maxDelay: number;
}

/** What the endpoints of accounts need. */
export interface AccountServices extends Users, Lifecycle {
  readonly server: ServerInfo;
  /** Of users of other servers. */
  readonly remoteProfiles: RemoteProfiles;
  /** For what anybody may have other servers asked for. */
  readonly strangers: StrangersTurns;
}

/** What concerns services beside this server: calls, other networks. */
export interface ElsewhereServices {
  readonly turn: Config['turn'];
  readonly clock: Clock;
}

/** The domain services that endpoints are given; never stores. Each domain adds its own. */
export interface Services extends AccountServices, ElsewhereServices, BackfillServices {
  readonly federation: Federation;
  /** What other servers ask of us about rooms. */
  readonly serving: Serving;
  /** What the documents under `/.well-known/matrix` say. */
  readonly wellKnown: Config['wellKnown'];
  readonly rooms: Rooms;
  /** Counts what one request does several times. 429 M_LIMIT_EXCEEDED. */
  readonly admitMany: RateLimits['admitMany'];
  /** What other servers send. */
  readonly receiving: Receiving;
  readonly reports: Reports;
  readonly delayedEvents: DelayedEvents;
  readonly directory: Directory;
  /** `undefined` where the admin has switched it off. */
  readonly search: Search | undefined;
  readonly sync: Sync;
  /** What was asked before there was /sync. */
  readonly eventStream: EventStream;
  readonly snapshots: Snapshots;
  readonly e2ee: E2ee;
  readonly receipts: Receipts;
  readonly typing: TypingService;
  readonly presence: Presence;
  readonly pushRules: PushRules;
  readonly pushers: Pushers;
  readonly notifications: Notifications;
  readonly media: Media;
  readonly thumbnails: Thumbnails;
}
