import { invalidParam } from '../protocol/errors.ts';
import type { ServerName, UserId } from '../protocol/ids/types.ts';
import { parseUserId, serverOf } from '../protocol/ids/user-id.ts';

/** What is asked about one user. */
export type Wanted<T> = readonly [userId: UserId, value: T];

/** Takes what is asked about our own users apart from the rest. 400 M_INVALID_PARAM for what is no user ID. */
export function partition<T>(
  wanted: readonly (readonly [userId: string, value: T])[],
  ownServer: ServerName,
): { local: Wanted<T>[]; remote: Map<ServerName, Wanted<T>[]> } {
  const local: Wanted<T>[] = [];
  const remote = new Map<ServerName, Wanted<T>[]>();
  for (const [text, value] of wanted) {
    const userId = parseUserId(text);
    if (userId === undefined) throw invalidParam('Not a user ID');
    const server = serverOf(userId);
    const known = server === ownServer ? local : remote.get(server);
    if (known === undefined) remote.set(server, [[userId, value]]);
    else known.push([userId, value]);
  }
  return { local, remote };
}

/** Parts of at most `size`. */
export function chunks<T>(list: readonly T[], size: number): T[][] {
  const parts: T[][] = [];
  for (let i = 0; i < list.length; i += size) parts.push(list.slice(i, i + size));
  return parts;
}
