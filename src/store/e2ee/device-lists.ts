import type { Database } from '../db.ts';
import type { MembershipCode } from '../events/membership.ts';
import { wellKnown } from '../interning/well-known.ts';
import type { RoomNid, StreamPos, UserNid } from '../nids.ts';

export interface MemberChange {
  readonly user: UserNid;
  readonly membership: MembershipCode;
}

/**
 * When users' devices changed last, and who shares rooms with whom: asked of the members of rooms, never written down.
 */
export class DeviceListStore {
  readonly #put;
  readonly #changed;
  readonly #page;
  readonly #shares;
  readonly #sharesEncrypted;
  readonly #encryptedRooms;
  readonly #joinedAmong;
  readonly #memberChanges;
  readonly #joined;
  readonly #rooms;

  constructor(db: Database) {
    this.#put = db.prepare<[user: number, pos: number], never>(
      'INSERT INTO device_list (user, pos) VALUES (?, ?) ON CONFLICT (user) DO UPDATE SET pos = max(pos, excluded.pos)',
    );
    this.#changed = db
      .rememberStretch<[after: number, upTo: number], UserNid>(
        'SELECT user FROM device_list WHERE pos > ? AND pos <= ?',
        { keys: 0 },
      )
      .pluck();
    this.#page = db
      .prepare<[after: number, limit: number], UserNid>(
        'SELECT user FROM device_list WHERE user > ? ORDER BY user LIMIT ?',
      )
      .pluck();
    const sharing = (also: string) =>
      `SELECT 1 FROM local_member AS mine CROSS JOIN member AS theirs ON theirs.room = mine.room${also}` +
      ' WHERE mine.user = :user AND mine.membership = 1 AND theirs.user = :other AND +theirs.membership = 1 LIMIT 1';
    this.#shares = db.prepare<{ user: number; other: number }, number>(sharing('')).pluck();
    this.#sharesEncrypted = db
      .prepare<{ user: number; other: number; key: number }, number>(
        sharing(' CROSS JOIN current_state AS state ON state.room = mine.room AND state.key = :key'),
      )
      .pluck();
    this.#encryptedRooms = db
      .prepare<[key: number, user: number], RoomNid>(
        'SELECT mine.room FROM local_member AS mine' +
          ' CROSS JOIN current_state AS state ON state.room = mine.room AND state.key = ?' +
          ' WHERE mine.user = ? AND mine.membership = 1',
      )
      .pluck();
    this.#joinedAmong = db
      .prepare<[users: string, room: number], UserNid>(
        'SELECT member.user FROM json_each(?) AS wanted' +
          ' CROSS JOIN member ON member.room = ? AND member.user = wanted.value AND +member.membership = 1',
      )
      .pluck();
    this.#memberChanges = db.rememberStretch<[room: number, after: number, upTo: number], MemberChange>(
      'SELECT user, membership FROM member WHERE room = ? AND pos > ? AND pos <= ?',
      { keys: 1 },
    );
    this.#joined = db
      .prepare<[room: number, after: number, limit: number], UserNid>(
        'SELECT user FROM member WHERE room = ? AND membership = 1 AND user > ? ORDER BY user LIMIT ?',
      )
      .pluck();
    this.#rooms = db
      .prepare<[user: number], RoomNid>('SELECT room FROM local_member WHERE user = ? AND membership = 1')
      .pluck();
  }

  /** The newest position counts. */
  put(user: UserNid, pos: StreamPos): void {
    this.#put.run(user, pos);
  }

  /** Users whose newest change is in (after, upTo]. */
  changed(after: StreamPos, upTo: StreamPos): readonly UserNid[] {
    return this.#changed.all(after, upTo);
  }

  /** One page of the users who have had news, by NID. */
  page(after: UserNid | 0, limit: number): UserNid[] {
    return this.#page.all(after, limit);
  }

  /** Whether a local user and another are joined to the same room. */
  share(user: UserNid, other: UserNid): boolean {
    return this.#shares.get({ user, other }) !== undefined;
  }

  /** The same for rooms that are encrypted. */
  shareEncrypted(user: UserNid, other: UserNid): boolean {
    return this.#sharesEncrypted.get({ user, other, key: wellKnown.stateKeys.encryption }) !== undefined;
  }

  /** The encrypted rooms where a local user is joined. */
  encryptedRoomsOf(user: UserNid): RoomNid[] {
    return this.#encryptedRooms.all(wellKnown.stateKeys.encryption, user);
  }

  /** Those of some users who are joined to a room. */
  joinedAmong(room: RoomNid, users: readonly UserNid[]): UserNid[] {
    return this.#joinedAmong.all(JSON.stringify(users), room);
  }

  /** Entries of the current state of a room that took effect in (after, upTo]; a new name or picture counts too. */
  memberChanges(room: RoomNid, after: StreamPos, upTo: StreamPos): readonly MemberChange[] {
    return this.#memberChanges.all(room, after, upTo);
  }

  /** One page of who is joined, by NID. */
  joined(room: RoomNid, after: UserNid | 0, limit: number): UserNid[] {
    return this.#joined.all(room, after, limit);
  }

  /** Where a local user is joined. */
  roomsOf(user: UserNid): RoomNid[] {
    return this.#rooms.all(user);
  }
}
