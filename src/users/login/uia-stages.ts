import { forbidden, missingParam } from '../../protocol/errors.ts';
import type { Database } from '../../store/db.ts';
import type { UserNid } from '../../store/nids.ts';
import type { UiaMemory } from '../../store/users/uia-sessions.ts';
import { isJsonObject, type JsonObject } from '../../util/json.ts';
import type { Accounts } from '../accounts.ts';
import { identifiedUser } from '../identifiers.ts';
import { anotherOwner, type MailAddresses, notProven } from '../mail/mail-addresses.ts';
import type { RegistrationTokens } from '../registration/registration-tokens.ts';
import type { Guessing } from './guessing.ts';
import type { Logins } from './logins.ts';

/** The stages that this server can check. */
export const stageNames = [
  'm.login.dummy',
  'm.login.password',
  'm.login.registration_token',
  'm.login.terms',
  'm.login.email.identity',
] as const;
export type StageName = (typeof stageNames)[number];

export interface StageContext {
  /** Who must show to be themselves; `undefined` if nobody is known yet. */
  readonly user: UserNid | undefined;
  readonly ip: string;
}

export interface UiaStagesUses {
  readonly db: Database;
  readonly accounts: Accounts;
  readonly logins: Logins;
  readonly registrationTokens: RegistrationTokens;
  readonly guessing: Guessing;
  readonly mailAddresses: MailAddresses;
}

/** Checks what a client shows for one stage of user-interactive authentication. */
export class UiaStages {
  readonly #uses: UiaStagesUses;

  constructor(uses: UiaStagesUses) {
    this.#uses = uses;
  }

  /** Answers what the session has to remember. Throws what is wrong: 403 M_FORBIDDEN, 429, 400 M_MISSING_PARAM. */
  async check(stage: StageName, auth: JsonObject, context: StageContext): Promise<UiaMemory> {
    switch (stage) {
      case 'm.login.dummy':
      case 'm.login.terms':
        // To go on is to accept.
        return {};
      case 'm.login.password':
        return this.#password(auth, context);
      case 'm.login.registration_token':
        return this.#registrationToken(auth, context);
      case 'm.login.email.identity':
        return this.#mailAddress(auth, context);
    }
  }

  async #password(auth: JsonObject, { user, ip }: StageContext): Promise<UiaMemory> {
    const { accounts, logins } = this.#uses;
    const password = auth['password'];
    if (typeof password !== 'string') throw missingParam('Missing auth.password');
    // Old clients name nobody: it is their own user that they mean.
    const name =
      identifiedUser(auth, (address) => accounts.ownerOf(address)) ??
      (user === undefined ? undefined : accounts.userId(user));
    if (name === undefined) throw missingParam('Missing auth.identifier');
    if (user !== undefined && accounts.meant(name)?.user !== user) throw forbidden('This is another user');
    const account = await logins.checkPassword(name, password, ip);
    return { user: account.user };
  }

  /** An address that an account has shows whose it is; another one can be the address of a new account. */
  #mailAddress(auth: JsonObject, { user }: StageContext): UiaMemory {
    const { db, mailAddresses } = this.#uses;
    // Old clients write it in one word.
    const given = auth['threepid_creds'] ?? auth['threepidCreds'];
    const { sid, client_secret: secret } = isJsonObject(given) ? given : {};
    if (typeof sid !== 'string' || typeof secret !== 'string') throw missingParam('Missing auth.threepid_creds');
    const proven = db.write(() => mailAddresses.take(sid, secret, ['registration', 'password']));
    if (proven === undefined) throw notProven();
    const owner = mailAddresses.owner(proven.address);
    if (user !== undefined && owner !== user) throw anotherOwner();
    return owner === undefined ? { mail: proven.address } : { user: owner };
  }

  #registrationToken(auth: JsonObject, { ip }: StageContext): UiaMemory {
    const { guessing, registrationTokens } = this.#uses;
    const token = auth['token'];
    if (typeof token !== 'string') throw missingParam('Missing auth.token');
    const subject = `registration token ${ip}`;
    guessing.check(subject, ip);
    if (!registrationTokens.isValid(token)) {
      guessing.failed(subject, ip);
      throw forbidden('This registration token is not valid');
    }
    return { registrationToken: token };
  }
}
