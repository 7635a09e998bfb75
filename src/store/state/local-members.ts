import type { Database } from '../db.ts';
import { type MembershipCode, memberships } from '../events/membership.ts';
import type { EventNid, RoomNid, StreamPos, UserNid } from '../nids.ts';

/** A local user's membership of a room. */
export interface LocalMember {
  readonly user: UserNid;
  readonly room: RoomNid;
  readonly membership: MembershipCode;
  readonly event: EventNid;
  /** When this membership began; a new name or picture does not move it. */
  readonly pos: StreamPos;
  readonly forgotten: boolean;
}

type Row = Omit<LocalMember, 'forgotten'> & { readonly forgotten: 0 | 1 };

/**
 * Our own users' view of rooms. It outlives the membership until the user forgets the room, and also holds invites to
 * rooms whose state is not ours to read.
 */
export class LocalMembers {
  readonly #one;
  readonly #ofUser;
  readonly #changed;
  readonly #joined;
  readonly #inRoom;
  readonly #stripped;
  readonly #insert;
  readonly #begin;
  readonly #profile;
  readonly #forget;
  readonly #endAll;

  constructor(db: Database) {
    const columns = 'user, room, membership, event, pos, forgotten';
    this.#one = db.remember<[number, number], Row>(`SELECT ${columns} FROM local_member WHERE user = ? AND room = ?`);
    this.#ofUser = db.prepare<[string, number], Row>(
      `SELECT ${columns} FROM json_each(?) AS wanted CROSS JOIN local_member` +
        ' ON local_member.user = ? AND local_member.membership = wanted.value',
    );
    this.#changed = db.rememberStretch<[number, number, number], Row>(
      `SELECT ${columns} FROM local_member WHERE user = ? AND pos > ? AND pos <= ? ORDER BY pos`,
      { keys: 1 },
    );
    this.#joined = db.remember<[number], { user: UserNid }>(
      'SELECT user FROM local_member WHERE room = ? AND membership = 1 ORDER BY user',
    );
    this.#inRoom = db.prepare<[number], Row>(`SELECT ${columns} FROM local_member WHERE room = ?`);
    this.#stripped = db.prepare<[number, number], { stripped: string | null }>(
      'SELECT stripped FROM local_member WHERE user = ? AND room = ?',
    );
    this.#insert = db.prepare<[number, number, number, number, number], never>(
      'INSERT INTO local_member (user, room, membership, event, pos) VALUES (?, ?, ?, ?, ?)',
    );
    this.#begin = db.prepare<[number, number, number, number, string | null, number, number], never>(
      'UPDATE local_member SET membership = ?, event = ?, pos = ?, forgotten = ?, stripped = ?' +
        ' WHERE user = ? AND room = ?',
    );
    this.#profile = db.prepare<[number, number, number], never>(
      'UPDATE local_member SET event = ? WHERE user = ? AND room = ?',
    );
    this.#forget = db.prepare<[number, number], never>(
      'UPDATE local_member SET forgotten = 1 WHERE user = ? AND room = ? AND membership IN (4, 5)',
    );
    this.#endAll = db.prepare<[number, number], never>(
      'UPDATE local_member SET membership = 4, pos = ? WHERE room = ? AND membership = 1',
    );
  }

  get(user: UserNid, room: RoomNid): LocalMember | undefined {
    const row = this.#one.get(user, room);
    return row === undefined ? undefined : read(row);
  }

  /** The rooms where a user's membership is one of these. */
  rooms(user: UserNid, wanted: readonly MembershipCode[]): LocalMember[] {
    return this.#ofUser.all(JSON.stringify(wanted), user).map(read);
  }

  /** The memberships of a user that began in (from, to], oldest first. */
  changed(user: UserNid, from: StreamPos, to: StreamPos): LocalMember[] {
    return this.#changed.all(user, from, to).map(read);
  }

  /** Our users who are joined. */
  joined(room: RoomNid): UserNid[] {
    return this.#joined.all(room).map((row) => row.user);
  }

  /** Our users who have or had to do with the room. */
  inRoom(room: RoomNid): LocalMember[] {
    return this.#inRoom.all(room).map(read);
  }

  /** The stripped state that came with an invite or a knock, a JSON array. */
  stripped(user: UserNid, room: RoomNid): string | undefined {
    return this.#stripped.get(user, room)?.stripped ?? undefined;
  }

  /** Records a membership. The same membership by another event is a change of profile. */
  set(member: Omit<LocalMember, 'forgotten'>, stripped?: string): void {
    const { user, room, membership, event, pos } = member;
    const before = this.get(user, room);
    if (before === undefined) this.#insert.run(user, room, membership, event, pos);
    if (before?.membership === membership && stripped === undefined) {
      this.#profile.run(event, user, room);
      return;
    }
    if (before === undefined && stripped === undefined) return;
    // Who has forgotten a room and is banned from it afterwards need not hear of it.
    const outside = membership === memberships.leave || membership === memberships.ban;
    this.#begin.run(membership, event, pos, before?.forgotten && outside ? 1 : 0, stripped ?? null, user, room);
  }

  /** Nobody of ours is in the room any more, whatever the state once said. */
  endAll(room: RoomNid, pos: StreamPos): void {
    this.#endAll.run(pos, room);
  }

  /** The user does not want to see the room again. False unless the user has left or is banned. */
  forget(user: UserNid, room: RoomNid): boolean {
    return this.#forget.run(user, room).changes > 0;
  }
}

function read(row: Row): LocalMember {
  return { ...row, forgotten: row.forgotten === 1 };
}
