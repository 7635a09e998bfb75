import { type FederationClient, remoteError } from '../../federation/client.ts';
import { limitExceeded, notFound } from '../../protocol/errors.ts';
import { parseMxcUri } from '../../protocol/ids/mxc-uri.ts';
import type { UserId } from '../../protocol/ids/types.ts';
import { serverOf } from '../../protocol/ids/user-id.ts';
import { millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import type { JsonObject, JsonValue } from '../../util/json.ts';
import { SharedWork } from '../../util/shared-work.ts';
import { SizedLru } from '../../util/sized-lru.ts';
import { checkFieldName, isFieldName, isMemberField, maxProfileBytes } from './profile-fields.ts';

export interface RemoteProfilesUses {
  readonly client: Pick<FederationClient, 'call'>;
  readonly clock: Clock;
}

const timeout = millis(10_000);
/** Clients ask for a name with every room they open; a change of one reaches rooms as an event. */
const keptFor = 5 * 60_000;
/** A user whom the server does not know, or does not talk about. */
const absentFor = 60_000;
/** Bytes of profiles kept, by the length of their JSON. */
const cacheBytes = 512 * 1024;
const entryWeight = 200;
/** Whoever asks for names without a token must not make this server ask for thousands at once. */
const maxAtOnce = 50;

interface Kept {
  /** `undefined`: there is none to be had. */
  readonly profile: JsonObject | undefined;
  readonly until: number;
  readonly weight: number;
}

/** The profiles of other servers' users, as their servers tell them. */
export class RemoteProfiles {
  readonly #uses: RemoteProfilesUses;
  readonly #kept = new SizedLru<UserId, Kept>(cacheBytes, ({ weight }) => weight);
  readonly #asked = new SharedWork<UserId, JsonObject>();

  constructor(uses: RemoteProfilesUses) {
    this.#uses = uses;
  }

  /**
   * All fields. 403 M_FORBIDDEN the server does not tell · 404 M_NOT_FOUND no such user · 429 M_LIMIT_EXCEEDED
   * · 502, 504 M_UNKNOWN no answer that can be used
   */
  async get(userId: UserId): Promise<JsonObject> {
    const kept = this.#kept.get(userId);
    if (kept !== undefined && kept.until > this.#uses.clock.now()) {
      if (kept.profile === undefined) throw noProfile();
      return kept.profile;
    }
    if (this.#asked.size >= maxAtOnce) throw limitExceeded(2000, 'Too many profiles of other servers are asked for');
    return this.#asked.run(userId, () => this.#ask(userId));
  }

  /** One field. Errors as with `get`, 404 also if it is not set; 400 M_INVALID_PARAM, M_KEY_TOO_LARGE not a field's name. */
  async field(userId: UserId, field: string): Promise<JsonValue> {
    checkFieldName(field);
    const profile = await this.get(userId);
    const value = Object.hasOwn(profile, field) ? profile[field] : undefined;
    if (value === undefined) throw notFound('This profile field is not set');
    return value;
  }

  async #ask(userId: UserId): Promise<JsonObject> {
    const { client, clock } = this.#uses;
    const answer = await client.call({
      server: serverOf(userId),
      method: 'GET',
      path: '/_matrix/federation/v1/query/profile',
      query: { user_id: userId },
      timeout,
      maxBytes: 2 * maxProfileBytes,
      isHearsay: true,
    });
    if (answer.ok) {
      const profile = profileTold(answer.value);
      const weight = entryWeight + JSON.stringify(profile).length;
      this.#kept.set(userId, { profile, until: clock.now() + keptFor, weight });
      return profile;
    }
    if (answer.status === 404) {
      this.#kept.set(userId, { profile: undefined, until: clock.now() + absentFor, weight: entryWeight });
      throw noProfile();
    }
    throw remoteError(answer);
  }
}

const noProfile = () => notFound('There is no profile of this user');

/** What another server says, without what is no field or has the wrong type. */
function profileTold(value: JsonObject): JsonObject {
  // Plain numbers, whatever form they came in.
  const plain = JSON.parse(JSON.stringify(value)) as JsonObject;
  const fields = Object.entries(plain).filter(([name, field]) => isFieldName(name) && isFieldValue(name, field));
  const profile = Object.fromEntries(fields);
  return JSON.stringify(profile).length <= maxProfileBytes ? profile : {};
}

/** `null` stands for a name or picture that is not set. */
function isFieldValue(name: string, value: JsonValue): boolean {
  if (!isMemberField(name)) return true;
  if (typeof value !== 'string') return false;
  return name === 'displayname' || parseMxcUri(value) !== undefined;
}
