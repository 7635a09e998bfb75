import type { ServerName } from '../protocol/ids/types.ts';
import { parseUserId, serverOf } from '../protocol/ids/user-id.ts';
import type { EduHandler } from '../rooms/receive/transactions.ts';
import { millis } from '../util/brand.ts';
import { isJsonObject, type JsonObject } from '../util/json.ts';
import { type Presence, presenceStates } from './presence.ts';
import type { RemoteReceipts } from './remote-receipts.ts';
import { joinedUser, openRoom, type RemoteUsersUses } from './remote-users.ts';
import type { Typing } from './typing.ts';

export interface RemoteEdusUses extends RemoteUsersUses {
  readonly typing: Typing;
  readonly presence: Presence;
  readonly remoteReceipts: RemoteReceipts;
}

/** Servers say no time. Those that go on typing are said to do so again before. */
const typingLasts = millis(60_000);
/** More people than a transaction has room for change their presence at once on no server. */
const mostPresences = 500;

/** What other servers may say about their users, by `edu_type`. */
export function ephemeralEdus(uses: RemoteEdusUses): [string, EduHandler][] {
  return [
    ['m.typing', (origin, content) => takeTyping(uses, origin, content)],
    ['m.presence', (origin, content) => takePresence(uses, origin, content)],
    ['m.receipt', (origin, content) => uses.remoteReceipts.take(origin, content)],
  ];
}

/** @see https://spec.matrix.org/v1.19/server-server-api/#typing-notifications */
function takeTyping(uses: RemoteEdusUses, origin: ServerName, content: JsonObject): void {
  const { room_id: roomId, user_id: userId, typing } = content;
  const room = openRoom(uses, origin, roomId);
  const user = room === undefined ? undefined : joinedUser(uses, origin, room, userId);
  if (room === undefined || user === undefined || typeof typing !== 'boolean') return;
  if (typing) uses.typing.start(room.nid, user, typingLasts);
  else uses.typing.stop(room.nid, user);
}

/** @see https://spec.matrix.org/v1.19/server-server-api/#presence */
function takePresence({ presence }: RemoteEdusUses, origin: ServerName, { push }: JsonObject): void {
  for (const told of Array.isArray(push) ? push.slice(0, mostPresences) : []) {
    if (!isJsonObject(told)) continue;
    const { user_id: id, presence: word, status_msg: status, last_active_ago: ago } = told;
    const userId = typeof id === 'string' ? parseUserId(id) : undefined;
    const state = presenceStates.find((known) => known === word);
    if (userId === undefined || serverOf(userId) !== origin || state === undefined) continue;
    presence.takeRemote(userId, {
      state,
      status: typeof status === 'string' ? status : undefined,
      lastActiveAgo: typeof ago === 'number' && Number.isSafeInteger(ago) ? ago : 0,
    });
  }
}
