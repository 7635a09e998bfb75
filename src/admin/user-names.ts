import type { ServerName, UserId } from '../protocol/ids/types.ts';
import { parseUserId, serverOf } from '../protocol/ids/user-id.ts';
import { AdminError } from './admin-error.ts';

/** Takes `alice`, `@alice` and `@alice:example.org`. */
export function userIdOf(text: string, serverName: ServerName): UserId {
  const full = text.includes(':') ? text : `@${text.replace(/^@/, '')}:${serverName}`;
  const userId = parseUserId(full);
  if (userId === undefined) throw new AdminError('bad_input', `"${text}" is not a user name`);
  if (serverOf(userId) !== serverName)
    throw new AdminError('bad_input', `${userId} is not of this server (${serverName})`);
  return userId;
}
