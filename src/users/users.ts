import type { Mailer } from '../outbound/mailer.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import type { Database } from '../store/db.ts';
import type { Stores } from '../store/stores.ts';
import type { Streams } from '../streams/streams.ts';
import type { Clock } from '../util/clock.ts';
import type { Log } from '../util/log.ts';
import type { Random } from '../util/random.ts';
import { AccountData } from './account-data.ts';
import { Accounts } from './accounts.ts';
import { type DeviceObserver, Devices } from './devices.ts';
import { Filters } from './filters.ts';
import { Bindings } from './identity/bindings.ts';
import type { IdentityServers } from './identity/identity-servers.ts';
import { Guessing } from './login/guessing.ts';
import { Logins } from './login/logins.ts';
import { OpenId } from './login/openid.ts';
import { defaultPasswordCost, type PasswordCost } from './login/password-hash.ts';
import { Passwords } from './login/passwords.ts';
import { Tokens } from './login/tokens.ts';
import { Uia } from './login/uia.ts';
import { UiaStages } from './login/uia-stages.ts';
import { MailAddresses, type MailAddressObserver } from './mail/mail-addresses.ts';
import { Moderation } from './moderation.ts';
import { People } from './profiles/people.ts';
import type { PeopleObserver } from './profiles/people-observer.ts';
import { Profiles } from './profiles/profiles.ts';
import { Registration, type RegistrationMode } from './registration/registration.ts';
import { RegistrationTokens } from './registration/registration-tokens.ts';
import { SharedSecretRegistration } from './registration/shared-secret.ts';
import type { TermsDocument } from './registration/terms.ts';

export interface UsersUses {
  readonly db: Database;
  readonly stores: Pick<
    Stores,
    | 'interning'
    | 'accounts'
    | 'devices'
    | 'tokens'
    | 'registrationTokens'
    | 'uiaSessions'
    | 'profiles'
    | 'mailAddresses'
    | 'accountValidity'
    | 'boundAddresses'
    | 'openIdTokens'
    | 'accountData'
    | 'filters'
  >;
  readonly streams: Streams;
  readonly clock: Clock;
  readonly random: Random;
  readonly serverName: ServerName;
  readonly registration: {
    readonly mode: RegistrationMode;
    readonly sharedSecret: string | undefined;
    readonly terms?: readonly TermsDocument[];
    readonly guests?: boolean;
  };
  readonly deviceObservers?: readonly DeviceObserver[];
  readonly peopleObservers?: readonly PeopleObserver[];
  readonly mailer: Mailer;
  readonly identityServers: Pick<IdentityServers, 'bind' | 'unbind'>;
  /** What links in mails begin with. */
  readonly publicUrl: string | undefined;
  readonly mailAddressObservers?: readonly MailAddressObserver[];
  readonly log: Log;
  /** Tests take a cheaper one. */
  readonly passwordCost?: PasswordCost;
}

/** The services of this folder, put together. */
export interface Users {
  readonly accounts: Accounts;
  readonly tokens: Tokens;
  readonly devices: Devices;
  readonly logins: Logins;
  readonly passwords: Passwords;
  readonly registration: Registration;
  readonly registrationTokens: RegistrationTokens;
  readonly sharedSecret: SharedSecretRegistration;
  readonly uia: Uia;
  readonly profiles: Profiles;
  readonly accountData: AccountData;
  readonly filters: Filters;
  readonly people: People;
  readonly moderation: Moderation;
  readonly openId: OpenId;
  readonly mailAddresses: MailAddresses;
  /** What identity servers tell of users. */
  readonly bindings: Bindings;
}

/** Builds them bottom-up. */
export function createUsers(uses: UsersUses): Users {
  const { db, stores, streams, clock, random, serverName } = uses;
  const { interning } = stores;
  const passwords = new Passwords(random, uses.passwordCost ?? defaultPasswordCost);
  const guessing = new Guessing(clock);
  const shared = { db, interning, clock, random, serverName, passwords, guessing };
  const tokens = new Tokens({ ...shared, store: stores.tokens, accounts: stores.accounts, devices: stores.devices });
  const observers = uses.deviceObservers ?? [];
  const devices = new Devices({ ...shared, store: stores.devices, tokens, observers });
  const peopleObservers = uses.peopleObservers ?? [];
  const { mailAddresses: mailStore } = stores;
  const accounts = new Accounts({
    ...shared,
    store: stores.accounts,
    tokens,
    devices,
    observers: peopleObservers,
    mailAddresses: mailStore,
    validity: stores.accountValidity,
  });
  const mailAddresses = new MailAddresses({
    ...uses,
    store: mailStore,
    observers: uses.mailAddressObservers ?? [],
  });
  const logins = new Logins({ ...shared, accounts, devices, tokens, store: stores.tokens });
  const registrationTokens = new RegistrationTokens({ ...shared, store: stores.registrationTokens });
  const people = { ...shared, accounts, devices, logins, registrationTokens, mailAddresses };
  const uia = new Uia({ ...people, store: stores.uiaSessions, stages: new UiaStages(people) });
  const profiles = new Profiles({ ...shared, store: stores.profiles, accounts, observers: peopleObservers });
  const accountData = new AccountData({ ...shared, store: stores.accountData, streams });
  const { mode, sharedSecret: secret, terms = [], guests = false } = uses.registration;
  return {
    accounts,
    tokens,
    devices,
    logins,
    passwords,
    registration: new Registration({ ...people, mode, guests, terms, uia, tokens }),
    registrationTokens,
    sharedSecret: new SharedSecretRegistration({ ...people, secret, profiles }),
    uia,
    profiles,
    accountData,
    filters: new Filters({ db, store: stores.filters }),
    people: new People({ accounts, profiles, accountData, interning }),
    openId: new OpenId({ ...shared, store: stores.openIdTokens, accounts }),
    mailAddresses,
    bindings: new Bindings({ ...uses, store: stores.boundAddresses }),
    moderation: new Moderation({ accounts, devices, serverName }),
  };
}
