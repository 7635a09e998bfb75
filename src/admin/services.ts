import type { ServerName, UserId } from '../protocol/ids/types.ts';
import type { Millis } from '../util/brand.ts';

/** An account as the admin sees it. */
export interface AccountSummary {
  readonly userId: UserId;
  readonly isAdmin: boolean;
  readonly isDeactivated: boolean;
  readonly created: Millis;
}

export interface NewAccount {
  readonly userId: UserId;
  readonly password: string;
  readonly isAdmin: boolean;
}

/** What the admin operations ask of accounts. "No such account" and "taken" are values, failures are errors. */
export interface AccountAdmin {
  create(account: NewAccount): Promise<'created' | 'taken'>;
  /** Accounts in the order of their IDs, after `after`, at most `limit`. */
  list(after: UserId | undefined, limit: number): readonly AccountSummary[];
  find(userId: UserId): AccountSummary | undefined;
  /** With `logOut` all devices are logged out; without it sessions stay. */
  setPassword(userId: UserId, password: string, logOut: boolean): Promise<void>;
  setAdmin(userId: UserId, isAdmin: boolean): void;
  deactivate(userId: UserId, erase: boolean): Promise<void>;
}

export interface RegistrationTokenInfo {
  readonly token: string;
  /** How often it may be used; undefined: any number of times. */
  readonly uses: number | undefined;
  readonly used: number;
  readonly created: Millis;
  readonly expires: Millis | undefined;
}

export interface NewRegistrationToken {
  /** Undefined: one is made up. */
  readonly token: string | undefined;
  readonly uses: number | undefined;
  readonly lifetime: Millis | undefined;
}

export interface RegistrationTokenAdmin {
  create(token: NewRegistrationToken): RegistrationTokenInfo | 'taken';
  list(after: string | undefined, limit: number): readonly RegistrationTokenInfo[];
  /** False if there is no such token. */
  revoke(token: string): boolean;
}

export interface SigningKeyInfo {
  readonly keyId: string;
  /** Unpadded base64. */
  readonly publicKey: string;
  readonly created: Millis;
  /** Since when it no longer signs; undefined: it is the one in use. */
  readonly expired: Millis | undefined;
}

export interface SigningKeyAdmin {
  /** The key in use first. */
  list(): readonly SigningKeyInfo[];
  /** Makes a new key and keeps the public half of the old one, so that old events can still be verified. */
  rotate(): SigningKeyInfo;
}

/** All that admin operations work on: of the running server, or opened by a command while no server runs. */
export interface AdminServices {
  readonly serverName: ServerName;
  readonly accounts: AccountAdmin;
  readonly registrationTokens: RegistrationTokenAdmin;
  readonly signingKeys: SigningKeyAdmin;
}
