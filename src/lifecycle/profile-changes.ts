import type { Database } from '../store/db.ts';
import type { Requester } from '../users/login/requester.ts';
import { isMemberField } from '../users/profiles/profile-fields.ts';
import type { Profiles } from '../users/profiles/profiles.ts';
import type { JsonValue } from '../util/json.ts';
import type { MembershipPort } from './user-rooms.ts';

/**
 * Changes of a profile; names and pictures go on into the member events of the user's rooms.
 * @see https://spec.matrix.org/v1.19/client-server-api/#events-on-change-of-profile-information
 */
export class ProfileChanges {
  readonly #db: Database;
  readonly #profiles: Profiles;
  readonly #rooms: MembershipPort;

  constructor(uses: { db: Database; profiles: Profiles; rooms: MembershipPort }) {
    this.#db = uses.db;
    this.#profiles = uses.profiles;
    this.#rooms = uses.rooms;
  }

  /** Throws what `Profiles.set` throws. */
  async set(requester: Requester, userId: string, field: string, value: JsonValue): Promise<void> {
    await this.#follow(requester, field, this.#profiles.set(requester, userId, field, value));
  }

  async remove(requester: Requester, userId: string, field: string): Promise<void> {
    await this.#follow(requester, field, this.#profiles.remove(requester, userId, field));
  }

  async #follow(requester: Requester, field: string, changed: boolean): Promise<void> {
    if (changed && isMemberField(field)) await this.#rooms.copyProfile(requester.user);
    // Also where nothing changed: an equal change may have been made a moment ago.
    await this.#db.synced();
  }
}
