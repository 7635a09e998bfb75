import type { Interning } from '../store/interning/interning.ts';
import type { UserNid } from '../store/nids.ts';
import { isJsonObject } from '../util/json.ts';
import type { AccountData } from './account-data.ts';

const nobody: ReadonlySet<UserNid> = new Set();

/**
 * Whom a user ignores. Nobody ignores themselves.
 * @see https://spec.matrix.org/v1.19/client-server-api/#ignoring-users
 */
export function ignoredUsers(accountData: AccountData, interning: Interning, user: UserNid): ReadonlySet<UserNid> {
  const list = accountData.get(user, 'm.ignored_user_list')?.['ignored_users'];
  if (!isJsonObject(list)) return nobody;
  const ids = Object.keys(list).map((id) => interning.findUser(id));
  return new Set(ids.filter((nid) => nid !== undefined && nid !== user)) as ReadonlySet<UserNid>;
}
