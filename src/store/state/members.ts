import type { Database } from '../db.ts';
import { type MembershipCode, memberships } from '../events/membership.ts';
import type { EventNid, RoomNid, ServerNid, StreamPos, UserNid } from '../nids.ts';

export interface Member {
  readonly user: UserNid;
  readonly membership: MembershipCode;
  readonly event: EventNid;
  /** When this entry of the state took effect. */
  readonly pos: StreamPos;
}

export interface MemberFilter {
  readonly membership?: MembershipCode | undefined;
  readonly notMembership?: MembershipCode | undefined;
}

export interface Paging {
  /** Only users above this one. */
  readonly after?: UserNid | undefined;
  readonly limit: number;
}

/** The members of rooms by the current state. Everything of unbounded length is paged by user. */
export class MemberStore {
  readonly #one;
  readonly #all;
  readonly #byMembership;
  readonly #newest;
  readonly #serverMembers;
  readonly #serverAll;
  readonly #invited;
  readonly #upsert;
  readonly #remove;
  readonly #removeAll;

  constructor(db: Database) {
    const columns = 'user, membership, event, pos';
    this.#one = db.remember<[number, number], Member>(`SELECT ${columns} FROM member WHERE room = ? AND user = ?`);
    this.#all = db.prepare<[number, number, number, number], Member>(
      `SELECT ${columns} FROM member WHERE room = ? AND user > ? AND membership <> ? ORDER BY user LIMIT ?`,
    );
    this.#byMembership = db.prepare<[number, number, number, number], Member>(
      `SELECT ${columns} FROM member WHERE room = ? AND membership = ? AND user > ? ORDER BY user LIMIT ?`,
    );
    this.#newest = db.prepare<[number, number], { user: UserNid }>(
      'SELECT user FROM member WHERE room = ? AND membership = ? ORDER BY user LIMIT 6',
    );
    this.#serverMembers = db.prepare<[number, number, number, number], { user: UserNid }>(
      'SELECT member.user FROM member CROSS JOIN user ON user.nid = member.user' +
        ' WHERE member.room = ? AND member.membership = 1 AND member.user > ? AND user.server = ?' +
        ' ORDER BY member.user LIMIT ?',
    );
    this.#serverAll = db.prepare<[number, number, number], { user: UserNid }>(
      'SELECT member.user FROM user CROSS JOIN member ON member.room = ? AND member.user = user.nid' +
        ' WHERE user.server = ? LIMIT ?',
    );
    this.#invited = db
      .prepare<[number, number], 1>(
        'SELECT 1 FROM member CROSS JOIN user ON user.nid = member.user' +
          ' WHERE member.room = ? AND member.membership = 2 AND user.server = ? LIMIT 1',
      )
      .pluck();
    this.#upsert = db.prepare<[number, number, number, number, number], never>(
      'INSERT INTO member (room, user, membership, event, pos) VALUES (?, ?, ?, ?, ?)' +
        ' ON CONFLICT (room, user) DO UPDATE SET' +
        ' membership = excluded.membership, event = excluded.event, pos = excluded.pos',
    );
    this.#remove = db.prepare<[number, number], never>('DELETE FROM member WHERE room = ? AND user = ?');
    this.#removeAll = db.prepare<[number], never>('DELETE FROM member WHERE room = ?');
  }

  get(room: RoomNid, user: UserNid): Member | undefined {
    return this.#one.get(room, user);
  }

  /** One page of the members, in the order of user NIDs. */
  page(room: RoomNid, filter: MemberFilter, paging: Paging): Member[] {
    const after = paging.after ?? 0;
    const { membership, notMembership } = filter;
    if (membership === undefined) return this.#all.all(room, after, notMembership ?? 0, paging.limit);
    if (membership === notMembership) return [];
    return this.#byMembership.all(room, membership, after, paging.limit);
  }

  /** Up to six users of one membership: enough to name a room after five others. */
  firstUsers(room: RoomNid, membership: MembershipCode): UserNid[] {
    return this.#newest.all(room, membership).map((row) => row.user);
  }

  /** One page of a server's joined users. */
  joinedOf(room: RoomNid, server: ServerNid, paging: Paging): UserNid[] {
    return this.#serverMembers.all(room, paging.after ?? 0, server, paging.limit).map((row) => row.user);
  }

  /** Users of a server who have or had to do with the room, in no order. */
  someOf(room: RoomNid, server: ServerNid, limit: number): UserNid[] {
    return this.#serverAll.all(room, server, limit).map((row) => row.user);
  }

  /** Whether a user of the server is invited. */
  hasInvited(room: RoomNid, server: ServerNid): boolean {
    return this.#invited.get(room, server) !== undefined;
  }

  set(room: RoomNid, member: Member): void {
    this.#upsert.run(room, member.user, member.membership, member.event, member.pos);
  }

  remove(room: RoomNid, user: UserNid): void {
    this.#remove.run(room, user);
  }

  removeAll(room: RoomNid): void {
    this.#removeAll.run(room);
  }
}

/** How many members of each kind come and go in one change of the state. */
export class MembershipTally {
  joined = 0;
  invited = 0;
  knocked = 0;
  banned = 0;
  readonly #servers = new Map<ServerNid, number>();

  count(membership: MembershipCode | undefined, server: ServerNid, by: 1 | -1): void {
    if (membership === memberships.invite) this.invited += by;
    if (membership === memberships.knock) this.knocked += by;
    if (membership === memberships.ban) this.banned += by;
    if (membership !== memberships.join) return;
    this.joined += by;
    this.#servers.set(server, (this.#servers.get(server) ?? 0) + by);
  }

  /** By how much each server's number of joined users changed. */
  servers(): Iterable<readonly [ServerNid, number]> {
    return this.#servers;
  }
}
