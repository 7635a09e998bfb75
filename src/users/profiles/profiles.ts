import { badJson, forbidden, invalidParam, MatrixError, notFound } from '../../protocol/errors.ts';
import { parseMxcUri } from '../../protocol/ids/mxc-uri.ts';
import type { UserId } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import type { UserNid } from '../../store/nids.ts';
import type { ProfileStore } from '../../store/users/profiles.ts';
import type { JsonObject, JsonValue } from '../../util/json.ts';
import type { Accounts } from '../accounts.ts';
import type { Requester } from '../login/requester.ts';
import type { PeopleObserver } from './people-observer.ts';
import { checkFieldName, isMemberField, maxProfileBytes } from './profile-fields.ts';

/** What of a profile goes into member events. */
export interface MemberProfile {
  readonly displayname?: string;
  readonly avatar_url?: string;
}

/** These two are in every member event, which has a limit of its own. */
const maxMemberTextLength = 1024;

/** The profiles of this server's users. */
export class Profiles {
  readonly #db: Database;
  readonly #store: ProfileStore;
  readonly #accounts: Accounts;
  readonly #observers: readonly PeopleObserver[];

  constructor(uses: {
    db: Database;
    store: ProfileStore;
    accounts: Accounts;
    observers: readonly PeopleObserver[];
  }) {
    this.#db = uses.db;
    this.#store = uses.store;
    this.#accounts = uses.accounts;
    this.#observers = uses.observers;
  }

  /** All fields. 404 M_NOT_FOUND no such user here. */
  get(userId: UserId): JsonObject {
    return Object.fromEntries(this.#store.all(this.#existing(userId)));
  }

  /** One field. 404 M_NOT_FOUND not set, or no such user here; 400 M_INVALID_PARAM, M_KEY_TOO_LARGE not a field's name. */
  field(userId: UserId, field: string): JsonValue {
    checkFieldName(field);
    const value = this.#store.field(this.#existing(userId), field);
    if (value === undefined) throw notFound('This profile field is not set');
    return value;
  }

  /** What goes into the user's member events; empty for anybody who has no account here. */
  forMember(userId: UserId): MemberProfile {
    const user = this.#accounts.row(userId)?.user;
    if (user === undefined) return {};
    const name = this.#store.field(user, 'displayname');
    const avatar = this.#store.field(user, 'avatar_url');
    return {
      ...(typeof name === 'string' ? { displayname: name } : {}),
      ...(typeof avatar === 'string' ? { avatar_url: avatar } : {}),
    };
  }

  /**
   * Sets one of the requester's own fields; an empty name or picture removes it. True if something changed.
   * 400 M_BAD_JSON, M_INVALID_PARAM, M_KEY_TOO_LARGE, M_PROFILE_TOO_LARGE · 403 M_FORBIDDEN, M_USER_SUSPENDED
   */
  set(requester: Requester, userId: string, field: string, value: JsonValue): boolean {
    this.#checkOwn(requester, userId, field);
    const size = Buffer.byteLength(JSON.stringify(value)) + field.length + 5;
    return this.#db.write(() => {
      if (this.#store.sizeWithout(requester.user, field) + size > maxProfileBytes) {
        throw new MatrixError(400, 'M_PROFILE_TOO_LARGE', `A profile may have at most ${maxProfileBytes} bytes`);
      }
      checkValue(field, value);
      return this.#change(requester.user, field, isMemberField(field) && value === '' ? undefined : value);
    });
  }

  /** Removes one of the requester's own fields. True if it was set. Errors as with `set`. */
  remove(requester: Requester, userId: string, field: string): boolean {
    this.#checkOwn(requester, userId, field);
    return this.#db.write(() => this.#change(requester.user, field, undefined));
  }

  /** Inside a write: the name of a new account. */
  begin(user: UserNid, displayName: string): void {
    checkValue('displayname', displayName);
    this.#change(user, 'displayname', displayName === '' ? undefined : displayName);
  }

  /** Inside a write: nothing is left. */
  erase(user: UserNid): void {
    this.#store.removeAll(user);
    this.#tell(user);
  }

  #change(user: UserNid, field: string, value: JsonValue | undefined): boolean {
    if (value === undefined) {
      if (!this.#store.remove(user, field)) return false;
      this.#tell(user);
      return true;
    }
    if (JSON.stringify(this.#store.field(user, field)) === JSON.stringify(value)) return false;
    this.#store.put(user, field, value);
    this.#tell(user);
    return true;
  }

  #tell(user: UserNid): void {
    for (const observer of this.#observers) observer.onPerson(user);
  }

  #checkOwn(requester: Requester, userId: string, field: string): void {
    if (userId !== requester.userId) throw forbidden("Another user's profile cannot be changed");
    this.#accounts.checkNotSuspended(requester.user);
    checkFieldName(field);
  }

  #existing(userId: UserId): UserNid {
    const account = this.#accounts.row(userId);
    if (account === undefined) throw notFound('There is no profile of this user here');
    return account.user;
  }
}

function checkValue(field: string, value: JsonValue): void {
  if (field === 'm.tz' && typeof value !== 'string') throw badJson('m.tz must be a string');
  if (!isMemberField(field)) return;
  if (typeof value !== 'string') throw badJson(`${field} must be a string`);
  if (value.length > maxMemberTextLength) {
    throw invalidParam(`${field} may have at most ${maxMemberTextLength} characters`);
  }
  if (field === 'avatar_url' && value !== '' && parseMxcUri(value) === undefined) {
    throw invalidParam('avatar_url must be an mxc:// URI');
  }
}
