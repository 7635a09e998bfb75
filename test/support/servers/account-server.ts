import { type App, createApp } from '../../../src/api/app.ts';
import { accountApiEndpoints } from '../../../src/api/client/account/endpoints.ts';
import { StrangersTurns } from '../../../src/api/http/strangers-turns.ts';
import type { AccountServices } from '../../../src/api/services.ts';
import { createE2ee } from '../../../src/e2ee/create-e2ee.ts';
import { createLifecycle } from '../../../src/lifecycle/lifecycle.ts';
import type { MembershipPort } from '../../../src/lifecycle/user-rooms.ts';
import { Mailer } from '../../../src/outbound/mailer.ts';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import type { UserId } from '../../../src/protocol/ids/types.ts';
import { RemoteProfiles } from '../../../src/users/profiles/remote-profiles.ts';
import type { RegistrationMode } from '../../../src/users/registration/registration.ts';
import { createUsers } from '../../../src/users/users.ts';
import { silentLog } from '../../../src/util/log.ts';
import { type Injected, type InjectOptions, inject } from '../clients/inject.ts';
import { openTestStore, type TestStore } from '../store.ts';
import { noFederation } from '../stubs/no-federation.ts';
import { nobodyClient } from '../stubs/nobody.ts';

/** Cheap enough for hundreds of logins in a test. */
export const cheapPasswords = { logN: 4, blockSize: 1, parallel: 1 };

export interface AccountServerOptions {
  readonly mode?: RegistrationMode;
  readonly sharedSecret?: string | undefined;
  readonly publicUrl?: string | undefined;
}

export interface TestUser {
  readonly userId: string;
  readonly token: string;
  readonly deviceId: string;
  readonly password: string;
}

const noMail = {
  host: undefined,
  port: 587,
  tls: 'starttls',
  username: undefined,
  password: undefined,
  from: undefined,
} as const;

/** All account endpoints over real stores; rooms only note what they are asked for. */
export class AccountServer implements AsyncDisposable {
  readonly store: TestStore;
  readonly services: AccountServices;
  readonly app: App;
  /** `leave <user>` and `profile <user>`. */
  readonly asked: string[] = [];

  constructor(options: AccountServerOptions = {}) {
    this.store = openTestStore();
    const { db, stores, streams, clock, random } = this.store;
    const serverName = asServerName('localhost');
    const e2ee = createE2ee({
      db,
      streams,
      clock,
      random,
      log: silentLog,
      stores,
      serverName,
      federation: noFederation,
    });
    const users = createUsers({
      identityServers: { bind: () => Promise.reject(new Error('there is none')), unbind: () => Promise.resolve(false) },
      db,
      stores,
      streams,
      clock,
      random,
      serverName,
      deviceObservers: [e2ee.keys],
      registration: { mode: options.mode ?? 'open', sharedSecret: options.sharedSecret },
      passwordCost: cheapPasswords,
      mailer: new Mailer(noMail, clock),
      publicUrl: options.publicUrl,
      log: silentLog,
    });
    const note = (what: string, user: Parameters<MembershipPort['leaveAll']>[0]) => {
      this.asked.push(`${what} ${stores.interning.userId(user)}`);
      return Promise.resolve();
    };
    const rooms: MembershipPort = {
      leaveAll: (user) => note('leave', user),
      copyProfile: (user) => note('profile', user),
    };
    const lifecycle = createLifecycle({ db, streams, clock, stores, users, e2ee, rooms });
    const remoteProfiles = new RemoteProfiles({ client: nobodyClient, clock });
    const server = { serverName, publicUrl: options.publicUrl, defaultRoomVersion: '12', maxDelay: 86_400_000 };
    this.services = { ...users, ...lifecycle, server, remoteProfiles, strangers: new StrangersTurns() };
    this.app = createApp(accountApiEndpoints(this.services), { gate: users.tokens, log: silentLog, random });
  }

  call(method: string, path: string, options: Omit<InjectOptions, 'method' | 'path'> = {}): Promise<Injected> {
    return inject(this.app, { ...options, method, path });
  }

  /** An account with a session, past the HTTP layer. */
  async user(localpart: string, more: { admin?: boolean; refreshable?: boolean } = {}): Promise<TestUser> {
    const password = `password of ${localpart}`;
    const userId = `@${localpart}:localhost` as UserId;
    await this.services.accounts.create({ userId, password, isAdmin: more.admin ?? false });
    return this.session(localpart, more);
  }

  /** One more session of an account made by `user`. */
  async session(localpart: string, more: { refreshable?: boolean; deviceId?: string } = {}): Promise<TestUser> {
    const { accounts, logins } = this.services;
    const account = accounts.meant(localpart);
    if (account === undefined) throw new Error(`no account ${localpart}`);
    const session = await logins.open(account, {
      deviceId: more.deviceId,
      deviceName: undefined,
      refreshable: more.refreshable ?? false,
      ip: '192.0.2.1',
      agent: undefined,
    });
    const { userId, accessToken: token, deviceId } = session;
    return { userId, token, deviceId, password: `password of ${localpart}` };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store[Symbol.asyncDispose]();
  }
}

/** What a client sends to confirm with its password, in a session or without one. */
export function passwordAuth(user: TestUser, session?: string, password = user.password) {
  return {
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user: user.userId },
    password,
    ...(session === undefined ? {} : { session }),
  };
}
