import type { Receipts } from '../ephemeral/receipts.ts';
import type { TypingService } from '../ephemeral/typing-service.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import type { Media } from '../media/media.ts';
import type { Thumbnails } from '../media/thumbnails.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import type { PushRules } from '../push/push-rules.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { Sync } from '../sync/sync.ts';
import type { Users } from '../users/users.ts';

/** What endpoints tell of the server itself. */
export interface ServerInfo {
  readonly serverName: ServerName;
  /** Where clients reach it; without a public address it does not say. */
  readonly publicUrl: string | undefined;
  readonly defaultRoomVersion: string;
}

/** What the endpoints of accounts need. */
export interface AccountServices extends Users, Lifecycle {
  readonly server: ServerInfo;
}

/** The domain services that endpoints are given; never stores. Each domain adds its own. */
export interface Services extends AccountServices {
  readonly rooms: Rooms;
  readonly sync: Sync;
  readonly receipts: Receipts;
  readonly typing: TypingService;
  readonly pushRules: PushRules;
  readonly media: Media;
  readonly thumbnails: Thumbnails;
}
