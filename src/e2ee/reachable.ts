import { invalidParam } from '../protocol/errors.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import { parseUserId, serverOf } from '../protocol/ids/user-id.ts';
import type { JsonObject } from '../util/json.ts';

/** Servers whose users could not be asked about. */
export type Failures = Readonly<Record<string, JsonObject>>;

/**
 * Takes what is asked about our own users apart from the rest, whose servers cannot be reached.
 * 400 M_INVALID_PARAM for what is no user ID.
 */
export function partition<T>(
  wanted: readonly (readonly [userId: string, value: T])[],
  ownServer: ServerName,
): { local: (readonly [string, T])[]; failures: Failures } {
  const local: (readonly [string, T])[] = [];
  const failures = new Map<string, JsonObject>();
  for (const entry of wanted) {
    const userId = parseUserId(entry[0]);
    if (userId === undefined) throw invalidParam('Not a user ID');
    const server = serverOf(userId);
    if (server === ownServer) local.push(entry);
    else failures.set(server, { status: 503, errcode: 'M_UNKNOWN', message: 'This server cannot be reached' });
  }
  return { local, failures: Object.fromEntries(failures) };
}
