import { asDeviceId } from '../../protocol/ids/key-id.ts';
import type { UserId } from '../../protocol/ids/types.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { UserNid } from '../../store/nids.ts';
import { noDevice } from '../../store/users/devices.ts';
import type { AccountData } from '../account-data.ts';
import type { Accounts } from '../accounts.ts';
import { ignoredUsers } from '../ignored-users.ts';
import type { Requester } from '../login/requester.ts';
import type { MemberProfile, Profiles } from './profiles.ts';

/** What rooms want to know of this server's users. */
export class People {
  readonly #accounts: Accounts;
  readonly #profiles: Profiles;
  readonly #accountData: AccountData;
  readonly #interning: Interning;

  constructor(uses: { accounts: Accounts; profiles: Profiles; accountData: AccountData; interning: Interning }) {
    this.#accounts = uses.accounts;
    this.#profiles = uses.profiles;
    this.#accountData = uses.accountData;
    this.#interning = uses.interning;
  }

  /** Whether somebody of this name can be reached: has an account that is not deactivated. */
  exists(userId: UserId): boolean {
    return this.#accounts.row(userId)?.deactivated === false;
  }

  isErased(user: UserNid): boolean {
    return this.#accounts.isErased(user);
  }

  profile(userId: UserId): MemberProfile {
    return this.#profiles.forMember(userId);
  }

  ignored(user: UserNid): ReadonlySet<UserNid> {
    return ignoredUsers(this.#accountData, this.#interning, user);
  }

  /** @see https://spec.matrix.org/v1.19/client-server-api/#invite-permission */
  blocksInvites(userId: UserId): boolean {
    const user = this.#accounts.row(userId)?.user;
    if (user === undefined) return false;
    return this.#accountData.get(user, 'm.invite_permission_config')?.['default_action'] === 'block';
  }

  /** The user as the sender of what was scheduled before; `undefined` if the account is closed or locked. */
  asSender(user: UserNid): Requester | undefined {
    const account = this.#accounts.rowOf(user);
    if (account === undefined || account.deactivated || account.locked) return undefined;
    return {
      user,
      userId: this.#accounts.userId(user),
      device: noDevice,
      deviceId: asDeviceId('-'),
      admin: account.admin,
      guest: account.kind === 'guest',
      suspended: account.suspended,
      tokenHash: Buffer.alloc(0),
    };
  }
}
