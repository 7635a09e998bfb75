import { forbidden, missingParam } from '../protocol/errors.ts';
import type { UserNid } from '../store/nids.ts';
import type { UiaMemory } from '../store/users/uia-sessions.ts';
import type { JsonObject } from '../util/json.ts';
import type { Accounts } from './accounts.ts';
import type { Guessing } from './guessing.ts';
import { identifiedUser } from './identifiers.ts';
import type { Logins } from './logins.ts';
import type { RegistrationTokens } from './registration-tokens.ts';

/** The stages that this server can check. */
export const stageNames = ['m.login.dummy', 'm.login.password', 'm.login.registration_token', 'm.login.terms'] as const;
export type StageName = (typeof stageNames)[number];

export interface StageContext {
  /** Who must show to be themselves; `undefined` if nobody is known yet. */
  readonly user: UserNid | undefined;
  readonly ip: string;
}

export interface UiaStagesUses {
  readonly accounts: Accounts;
  readonly logins: Logins;
  readonly registrationTokens: RegistrationTokens;
  readonly guessing: Guessing;
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
    }
  }

  async #password(auth: JsonObject, { user, ip }: StageContext): Promise<UiaMemory> {
    const { accounts, logins } = this.#uses;
    const password = auth['password'];
    if (typeof password !== 'string') throw missingParam('Missing auth.password');
    // Old clients name nobody: it is their own user that they mean.
    const name = identifiedUser(auth) ?? (user === undefined ? undefined : accounts.userId(user));
    if (name === undefined) throw missingParam('Missing auth.identifier');
    if (user !== undefined && accounts.meant(name)?.user !== user) throw forbidden('This is another user');
    const account = await logins.checkPassword(name, password, ip);
    return { user: account.user };
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
