import { canonicalJson } from '../../protocol/canonical-json.ts';
import { forbidden, MatrixError, missingParam } from '../../protocol/errors.ts';
import type { Database } from '../../store/db.ts';
import type { UserNid } from '../../store/nids.ts';
import type { UiaMemory, UiaSessionRow, UiaSessionStore } from '../../store/users/uia-sessions.ts';
import type { Clock } from '../../util/clock.ts';
import { sha256 } from '../../util/hash.ts';
import { isJsonObject, type JsonObject } from '../../util/json.ts';
import { type Random, randomToken } from '../../util/random.ts';
import type { RegistrationTokens } from '../registration/registration-tokens.ts';
import type { Requester } from './requester.ts';
import { type StageName, stageNames, type UiaStages } from './uia-stages.ts';

/** An operation that wants to know who asks for it. */
export interface UiaRequest {
  /** Method and path template. */
  readonly operation: string;
  readonly body: JsonObject;
  readonly requester: Requester | undefined;
  readonly ip: string;
  readonly flows: readonly (readonly StageName[])[];
  /** What stages tell the client, by stage. */
  readonly params?: JsonObject;
  /** Whether the body may differ from the first request's, as when a taken user name is replaced by another. */
  readonly mayChange?: boolean;
}

/** All stages of a flow are complete. */
export interface UiaPassed {
  /** `undefined`: the one request did it all. */
  readonly session: string | undefined;
  /** Who it is, if a stage or the access token showed it. */
  readonly user: UserNid | undefined;
  readonly registrationToken: string | undefined;
  /** An address that nobody has yet, shown to be the person's. */
  readonly mail: string | undefined;
}

/** 401 with what is left to do. Only where a stage failed is there an error in it. */
export class UiaChallenge extends MatrixError {
  readonly #body: JsonObject;

  constructor(body: JsonObject, failure?: MatrixError) {
    super(401, failure?.errcode ?? 'M_UNAUTHORIZED', failure?.message ?? 'Further authentication is needed');
    this.#body = failure ? { ...body, errcode: failure.errcode, error: failure.message } : body;
  }

  override toJSON(): JsonObject {
    return this.#body;
  }
}

export interface UiaUses {
  readonly db: Database;
  readonly store: UiaSessionStore;
  readonly stages: UiaStages;
  readonly registrationTokens: RegistrationTokens;
  readonly clock: Clock;
  readonly random: Random;
}

/** A person fills in forms meanwhile. */
const sessionLifetime = 60 * 60_000;

/** With each new session so many old ones are swept out at most. */
const sweepAtOnce = 20;

interface Progress {
  /** `undefined`: not in the database, and gone unless this request fails. */
  readonly session: string | undefined;
  readonly completed: readonly string[];
  readonly memory: UiaMemory;
}

const nothingDone: Progress = { session: undefined, completed: [], memory: {} };

/**
 * User-interactive authentication. A session is bound to the operation, the user and what the first request asked for.
 * @see https://spec.matrix.org/v1.19/client-server-api/#user-interactive-authentication-api
 */
export class Uia {
  readonly #uses: UiaUses;

  constructor(uses: UiaUses) {
    this.#uses = uses;
  }

  /**
   * Resolves when a flow is complete; the operation then calls `finish` in its transaction. Throws `UiaChallenge` until
   * then, 403 M_FORBIDDEN for the session of another operation, 429 M_LIMIT_EXCEEDED after too many wrong secrets.
   */
  async authenticate(request: UiaRequest): Promise<UiaPassed> {
    const { auth } = request.body;
    if (!isJsonObject(auth)) throw this.#challenge(request, nothingDone);
    const session = this.#session(request, auth['session']);
    let progress = session ? progressOf(session) : nothingDone;
    const type = auth['type'];
    if (typeof type === 'string' && !progress.completed.includes(type)) {
      progress = await this.#complete(request, progress, type, auth);
    }
    if (!isComplete(request.flows, progress.completed)) throw this.#challenge(request, progress);
    return {
      session: progress.session,
      user: request.requester?.user ?? progress.memory.user,
      registrationToken: progress.memory.registrationToken,
      mail: progress.memory.mail,
    };
  }

  /** Inside the operation's write: it is being done, and the session is over. 403 M_FORBIDDEN if it was used before. */
  finish(passed: UiaPassed): void {
    const { store, registrationTokens } = this.#uses;
    const token = passed.registrationToken;
    if (passed.session !== undefined) {
      if (store.find(passed.session) === undefined) throw forbidden('This authentication session was used already');
      store.remove(passed.session);
    } else if (token !== undefined && !registrationTokens.reserve(token)) {
      throw forbidden('This registration token is used up');
    }
    if (token !== undefined) registrationTokens.spend(token);
  }

  /** The session behind a fallback page; `undefined` if there is none. */
  sessionForFallback(
    id: string,
  ): { readonly completed: readonly string[]; readonly isRegistration: boolean } | undefined {
    const session = this.#live(id);
    return session && { completed: session.completed, isRegistration: session.operation.startsWith('POST register') };
  }

  /** By which a fallback page asks for a mail. */
  newSecret(): string {
    return randomToken(this.#uses.random, 18);
  }

  /** Completes one stage from its fallback page. Throws what the stage says. */
  async completeByFallback(id: string, type: StageName, fields: JsonObject, ip: string): Promise<void> {
    const session = this.#live(id);
    if (session === undefined) throw forbidden('This authentication session is unknown or over');
    if (session.completed.includes(type)) return;
    const user = session.user ?? session.memory.user;
    const remembered = await this.#uses.stages.check(type, fields, { user, ip });
    this.#store(progressOf(session), type, remembered);
  }

  #session(request: UiaRequest, id: unknown): UiaSessionRow | undefined {
    // One that is unknown or over is replaced: the client learns of the new one by the challenge.
    const session = typeof id === 'string' ? this.#live(id) : undefined;
    if (session === undefined) return undefined;
    if (session.operation !== operationOf(request) || session.user !== request.requester?.user) {
      throw forbidden('This authentication session was opened for another request');
    }
    return session;
  }

  async #complete(request: UiaRequest, progress: Progress, type: string, auth: JsonObject): Promise<Progress> {
    const { flows, requester, ip } = request;
    const stage = stageNames.find((name) => name === type);
    const isNext = flows.some(
      (flow) => flow[progress.completed.length] === type && progress.completed.every((done, i) => done === flow[i]),
    );
    if (stage === undefined || !isNext) {
      const failure = new MatrixError(401, 'M_UNAUTHORIZED', 'This stage is not one of those that come next');
      throw this.#challenge(request, progress, failure);
    }
    const user = requester?.user ?? progress.memory.user;
    let remembered: UiaMemory;
    try {
      remembered = await this.#uses.stages.check(stage, auth, { user, ip });
    } catch (error) {
      if (!(error instanceof MatrixError) || error.status !== 403) throw error;
      throw this.#challenge(request, progress, error);
    }
    if (progress.session === undefined) {
      const done = { ...nothingDone, completed: [stage], memory: remembered };
      return isComplete(flows, done.completed) ? done : this.#store(this.#open(request), stage, remembered);
    }
    return this.#store(progress, stage, remembered);
  }

  #store(progress: Progress, stage: StageName, remembered: UiaMemory): Progress {
    const { db, store, registrationTokens } = this.#uses;
    const token = remembered.registrationToken;
    return db.write<Progress>(() => {
      const session = store.find(progress.session as string);
      if (session === undefined) throw forbidden('This authentication session was used already');
      if (session.completed.includes(stage)) return progressOf(session);
      if (token !== undefined && !registrationTokens.reserve(token)) {
        throw forbidden('This registration token is used up');
      }
      const next = { ...progressOf(session), completed: [...session.completed, stage] };
      const memory = { ...session.memory, ...remembered };
      store.update(session.id, next.completed, memory);
      return { ...next, memory };
    });
  }

  #challenge(request: UiaRequest, progress: Progress, failure?: MatrixError): UiaChallenge {
    const { session, completed } = progress.session === undefined ? this.#open(request) : progress;
    const body: JsonObject = {
      flows: request.flows.map((stages) => ({ stages: [...stages] })),
      params: request.params ?? {},
      session: session as string,
    };
    if (completed.length > 0) body['completed'] = [...completed];
    return new UiaChallenge(body, failure);
  }

  #open(request: UiaRequest): Progress {
    const { db, store, clock, random } = this.#uses;
    const id = randomToken(random, 18);
    db.write<void>(() => {
      this.forgetExpired(sweepAtOnce);
      store.insert(id, operationOf(request), request.requester?.user, clock.now() + sessionLifetime);
    });
    return { ...nothingDone, session: id };
  }

  #live(id: string): UiaSessionRow | undefined {
    const session = this.#uses.store.find(id);
    return session && this.#uses.clock.now() < session.expires ? session : undefined;
  }

  /** Inside a write: removes up to `limit` sessions that are over; registration tokens get their use back. Answers how many. */
  forgetExpired(limit: number): number {
    const { store, registrationTokens, clock } = this.#uses;
    const expired = store.expired(clock.now(), limit);
    for (const session of expired) {
      const token = session.memory.registrationToken;
      if (token !== undefined) registrationTokens.release(token);
      store.remove(session.id);
    }
    return expired.length;
  }
}

function progressOf(session: UiaSessionRow): Progress {
  return { session: session.id, completed: session.completed, memory: session.memory };
}

function isComplete(flows: UiaRequest['flows'], completed: readonly string[]): boolean {
  return flows.some((flow) => flow.length === completed.length && flow.every((stage, i) => stage === completed[i]));
}

/** Passwords stay out: a digest of a weak one would give it away. */
function operationOf({ operation, body, mayChange }: UiaRequest): string {
  if (mayChange === true) return operation;
  const { auth: _auth, password: _password, new_password: _new, ...rest } = body;
  let text: string;
  try {
    text = canonicalJson(rest, 'lenient');
  } catch (cause) {
    throw missingParam('The request body cannot be used', { cause });
  }
  return `${operation} ${sha256(text).toString('base64url')}`;
}
