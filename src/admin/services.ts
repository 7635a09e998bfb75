import type { Governor } from '../governor/governor.ts';
import type { WatchedClock } from '../governor/watched-clock.ts';
import type { ServerName, UserId } from '../protocol/ids/types.ts';
import type { Reports } from '../rooms/reports.ts';
import type { DatabaseSizes } from '../store/database-sizes.ts';
import type { Accounts } from '../users/accounts.ts';
import type { RegistrationTokens } from '../users/registration/registration-tokens.ts';
import type { Millis } from '../util/brand.ts';
import type { RoomCosts } from './room-costs.ts';
import type { ServerBackups } from './server-backups.ts';

/** What the admin operations ask of accounts. */
export interface AccountAdmin
  extends Pick<Accounts, 'create' | 'list' | 'find' | 'setPassword' | 'setAdmin' | 'setValidity'> {
  /** Closing an account concerns many domains: its rooms, devices, profile. */
  deactivate(userId: UserId, erase: boolean): Promise<void>;
}

export type RegistrationTokenAdmin = Pick<RegistrationTokens, 'create' | 'list' | 'revoke'>;

export type ReportAdmin = Pick<Reports, 'list' | 'remove'>;

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

/** What the server tells its users. */
export interface NoticeAdmin {
  readonly enabled: boolean;
  isSender(userId: UserId): boolean;
  send(target: UserId, text: string): Promise<void>;
}

/** All that admin operations work on: of the running server, or opened by a command while no server runs. */
export interface AdminServices {
  readonly serverName: ServerName;
  readonly accounts: AccountAdmin;
  readonly registrationTokens: RegistrationTokenAdmin;
  readonly reports: ReportAdmin;
  readonly notices: NoticeAdmin;
  readonly signingKeys: SigningKeyAdmin;
  readonly database: { sizes(): DatabaseSizes };
  readonly governor: Pick<Governor, 'condition'>;
  readonly clock: Pick<WatchedClock, 'isRight' | 'trust'>;
  readonly backups: Pick<ServerBackups, 'make'>;
  /** Resolves when what was done survives a power cut. */
  readonly synced: () => Promise<void>;
  readonly roomCosts: Pick<
    RoomCosts,
    'estimate' | 'exemptRoom' | 'exemptUser' | 'exemptions' | 'purge' | 'thin' | 'ledger' | 'filling' | 'fill'
  >;
}
