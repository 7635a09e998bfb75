import type { ServerName } from '../../protocol/ids/types.ts';
import { parseUserId, serverOf } from '../../protocol/ids/user-id.ts';
import { isJsonObject } from '../../util/json.ts';

/** The servers of those who made the events of a stripped state: they were in the room. */
export function serversInStripped(state: readonly unknown[]): ServerName[] {
  return state.flatMap((event) => {
    const sender = isJsonObject(event) ? event['sender'] : undefined;
    const user = typeof sender === 'string' ? parseUserId(sender) : undefined;
    return user === undefined ? [] : [serverOf(user)];
  });
}
