import type { Database } from '../db.ts';
import type { RoomNid, ServerNid, StreamPos, UserNid } from '../nids.ts';

/** A change of a device of one of our users; `deviceId` is empty for the cross-signing keys. */
export interface DeviceUpdate {
  readonly user: UserNid;
  readonly pos: StreamPos;
  readonly deviceId: string;
}

/** One of our users came into a room. */
export interface LocalJoin {
  readonly user: UserNid;
  readonly room: RoomNid;
  readonly pos: StreamPos;
}

/** Changes that are remembered of a user: who has been away for longer asks for the whole list. */
const remembered = 200;

/**
 * What other servers are to be told of our users' devices, and which servers those are: asked of the rooms, never
 * written down. Writing methods belong inside a write.
 */
export class DeviceUpdateStore {
  readonly #insert;
  readonly #forgotten;
  readonly #forget;
  readonly #window;
  readonly #newest;
  readonly #before;
  readonly #joins;
  readonly #nextServer;
  readonly #isIn;
  readonly #shares;
  readonly #sharedSince;

  constructor(db: Database) {
    this.#insert = db.prepare<[number, number, string], never>(
      'INSERT INTO device_update (user, pos, device_id) VALUES (?, ?, ?)',
    );
    this.#forgotten = db
      .prepare<[number, number], StreamPos>(
        'SELECT pos FROM device_update WHERE user = ? ORDER BY pos DESC LIMIT 1 OFFSET ?',
      )
      .pluck();
    this.#forget = db.prepare<[number, number], never>('DELETE FROM device_update WHERE user = ? AND pos <= ?');
    this.#window = db.rememberStretch<[number, number, number], DeviceUpdate>(
      'SELECT user, pos, device_id AS deviceId FROM device_update INDEXED BY device_update_pos' +
        ' WHERE pos > ? AND pos <= ? ORDER BY pos LIMIT ?',
      { keys: 0 },
    );
    const ofDevices = (more: string) =>
      `SELECT pos FROM device_update WHERE user = ?${more} AND device_id <> '' ORDER BY pos DESC LIMIT 1`;
    this.#newest = db.prepare<[number], StreamPos>(ofDevices('')).pluck();
    this.#before = db.prepare<[number, number], StreamPos>(ofDevices(' AND pos <= ?')).pluck();
    this.#joins = db.rememberStretch<[number, number, number], LocalJoin>(
      'SELECT user, room, pos FROM local_member INDEXED BY local_member_begin' +
        ' WHERE membership = 1 AND pos > ? AND pos <= ? ORDER BY pos LIMIT ?',
      { keys: 0 },
    );
    this.#nextServer = db
      .prepare<[number], ServerNid>(
        'SELECT server FROM room_server INDEXED BY room_server_server' +
          ' WHERE to_pos IS NULL AND server > ? ORDER BY server LIMIT 1',
      )
      .pluck();
    this.#isIn = db
      .prepare<[number, number], number>(
        'SELECT 1 FROM room_server INDEXED BY room_server_server WHERE server = ? AND room = ? AND to_pos IS NULL',
      )
      .pluck();
    const sharing = (more: string) =>
      'SELECT 1 FROM room_server AS theirs INDEXED BY room_server_server CROSS JOIN local_member AS mine' +
      ' ON mine.user = :user AND mine.room = theirs.room AND mine.membership = 1' +
      ` WHERE theirs.server = :server AND theirs.to_pos IS NULL${more} LIMIT 1`;
    this.#shares = db.prepare<{ user: number; server: number }, number>(sharing('')).pluck();
    this.#sharedSince = db
      .prepare<{ user: number; server: number; pos: number }, number>(
        sharing(' AND theirs.from_pos < :pos AND mine.pos < :pos'),
      )
      .pluck();
  }

  insert({ user, pos, deviceId }: DeviceUpdate): void {
    this.#insert.run(user, pos, deviceId);
    const last = this.#forgotten.get(user, remembered);
    if (last !== undefined) this.#forget.run(user, last);
  }

  /** Changes in (after, upTo], oldest first. */
  window(after: StreamPos, upTo: StreamPos, limit: number): readonly DeviceUpdate[] {
    return this.#window.all(after, upTo, limit);
  }

  /** The position of the newest change of any device of a user. */
  newest(user: UserNid): StreamPos | undefined {
    return this.#newest.get(user);
  }

  /** The same up to `upTo`, as far as it is remembered. */
  before(user: UserNid, upTo: StreamPos): StreamPos | undefined {
    return this.#before.get(user, upTo);
  }

  /** Our users who came into a room in (after, upTo] and are there, in order. */
  joins(after: StreamPos, upTo: StreamPos, limit: number): readonly LocalJoin[] {
    return this.#joins.all(after, upTo, limit);
  }

  /** The next server that is in any room, by NID. */
  nextServer(after: ServerNid | 0): ServerNid | undefined {
    return this.#nextServer.get(after);
  }

  isIn(server: ServerNid, room: RoomNid): boolean {
    return this.#isIn.get(server, room) !== undefined;
  }

  /** Whether one of our users and a server are in the same room. */
  shares(user: UserNid, server: ServerNid): boolean {
    return this.#shares.get({ user, server }) !== undefined;
  }

  /** The same for a room in which both have been since before `pos`. */
  sharedBefore(user: UserNid, server: ServerNid, pos: StreamPos): boolean {
    return this.#sharedSince.get({ user, server, pos }) !== undefined;
  }
}
