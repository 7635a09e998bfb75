import type { Millis } from '../../util/brand.ts';
import type { Database } from '../db.ts';
import type { RoomNid, UserNid } from '../nids.ts';

export interface JoinSample {
  /** Entries of the state. */
  readonly events: number;
  readonly ms: number;
}

/** Joins that are remembered: enough to even out a slow server, few enough to follow a board that is moved to a better disk. */
const keptSamples = 20;
const mostListed = 1000;

/** Who is exempt from the limits on rooms, and how long joins took. Writing methods belong inside a write. */
export class RoomLimitStore {
  readonly #isRoomExempt;
  readonly #isUserExempt;
  readonly #exemptRoom;
  readonly #exemptUser;
  readonly #unexemptRoom;
  readonly #unexemptUser;
  readonly #rooms;
  readonly #users;
  readonly #localUserExempt;
  readonly #addSample;
  readonly #dropSamples;
  readonly #samples;

  constructor(db: Database) {
    this.#isRoomExempt = db.prepare<[number], 1>('SELECT 1 FROM room_exemption WHERE room = ?').pluck();
    this.#isUserExempt = db.prepare<[number], 1>('SELECT 1 FROM user_exemption WHERE user = ?').pluck();
    this.#exemptRoom = db.prepare<[number, number], never>(
      'INSERT INTO room_exemption (room, ts) VALUES (?, ?) ON CONFLICT DO NOTHING',
    );
    this.#exemptUser = db.prepare<[number, number], never>(
      'INSERT INTO user_exemption (user, ts) VALUES (?, ?) ON CONFLICT DO NOTHING',
    );
    this.#unexemptRoom = db.prepare<[number], never>('DELETE FROM room_exemption WHERE room = ?');
    this.#unexemptUser = db.prepare<[number], never>('DELETE FROM user_exemption WHERE user = ?');
    this.#rooms = db
      .prepare<[number], RoomNid>('SELECT room FROM room_exemption WHERE room > 0 ORDER BY room LIMIT ?')
      .pluck();
    this.#users = db
      .prepare<[number], UserNid>('SELECT user FROM user_exemption WHERE user > 0 ORDER BY user LIMIT ?')
      .pluck();
    this.#localUserExempt = db
      .prepare<[number, number], 1>(
        'SELECT 1 FROM local_member JOIN user_exemption ON user_exemption.user = local_member.user' +
          ' WHERE local_member.room = ? AND local_member.membership = ? LIMIT 1',
      )
      .pluck();
    this.#addSample = db.prepare<[number, number, number], never>(
      'INSERT INTO join_sample (ts, events, ms) VALUES (?, ?, ?)',
    );
    this.#dropSamples = db.prepare<[number], never>(
      'DELETE FROM join_sample WHERE nid <= (SELECT max(nid) FROM join_sample) - ?',
    );
    this.#samples = db.prepare<[number], JoinSample>(
      'SELECT events, ms FROM join_sample WHERE nid > 0 ORDER BY nid DESC LIMIT ?',
    );
  }

  isRoomExempt(room: RoomNid): boolean {
    return this.#isRoomExempt.get(room) !== undefined;
  }

  isUserExempt(user: UserNid): boolean {
    return this.#isUserExempt.get(user) !== undefined;
  }

  /** Whether one of our users with this membership of the room is exempt. */
  hasExemptUser(room: RoomNid, membership: number): boolean {
    return this.#localUserExempt.get(room, membership) !== undefined;
  }

  exemptRoom(room: RoomNid, now: Millis): void {
    this.#exemptRoom.run(room, now);
  }

  exemptUser(user: UserNid, now: Millis): void {
    this.#exemptUser.run(user, now);
  }

  /** False if it was not exempt. */
  unexemptRoom(room: RoomNid): boolean {
    return this.#unexemptRoom.run(room).changes > 0;
  }

  unexemptUser(user: UserNid): boolean {
    return this.#unexemptUser.run(user).changes > 0;
  }

  /** The first thousand of them. */
  exemptRooms(): RoomNid[] {
    return this.#rooms.all(mostListed);
  }

  exemptUsers(): UserNid[] {
    return this.#users.all(mostListed);
  }

  /** A join has come to its end. */
  joined(sample: JoinSample, now: Millis): void {
    this.#addSample.run(now, sample.events, Math.round(sample.ms));
    this.#dropSamples.run(keptSamples);
  }

  /** The newest first. */
  samples(): JoinSample[] {
    return this.#samples.all(keptSamples);
  }
}
