import type { Database } from '../db.ts';
import { type EventRow, eventColumns } from '../events/event-row.ts';
import type { RoomNid, StreamPos, UserNid } from '../nids.ts';

/** Stands for "no room" among the rooms of account data. */
export const noRoom = 0 as RoomNid;

/**
 * What /sync asks of all tables at once: which rooms something happened in, and what events came to one of them.
 * Every question is answered by a range of an index.
 */
export class SyncChanges {
  readonly #eventRooms;
  readonly #accountDataRooms;
  readonly #behind;
  readonly #events;

  constructor(db: Database) {
    this.#eventRooms = db
      .rememberStretch<[after: number, upTo: number], RoomNid>(
        'SELECT room FROM stream_event WHERE pos > ? AND pos <= ?',
        { keys: 0 },
      )
      .pluck();
    this.#accountDataRooms = db
      .rememberStretch<[user: number, after: number, upTo: number], RoomNid>(
        'SELECT room FROM account_data WHERE user = ? AND pos > ? AND pos <= ?',
        { keys: 1 },
      )
      .pluck();
    this.#behind = db.prepare<[user: number, after: number, receiptsAfter: number], { room: RoomNid }>(
      'SELECT mine.room FROM local_member AS mine CROSS JOIN room_info AS info ON info.room = mine.room' +
        ' WHERE mine.user = ? AND mine.membership = 1 AND (info.last_pos > ?' +
        ' OR EXISTS (SELECT 1 FROM receipt WHERE receipt.room = mine.room AND receipt.pos > ?))',
    );
    this.#events = db.remember<[segment: number, after: number, before: number, limit: number], EventRow>(
      `SELECT ${eventColumns} FROM timeline CROSS JOIN event ON event.nid = timeline.event` +
        ' WHERE timeline.segment = ? AND timeline.idx > ? AND timeline.idx < ? ORDER BY timeline.idx DESC LIMIT ?',
    );
  }

  /** Rooms with an event in (after, upTo], once for each. The caller keeps the span short. */
  eventRooms(after: StreamPos, upTo: StreamPos): readonly RoomNid[] {
    return this.#eventRooms.all(after, upTo);
  }

  /** Rooms whose account data changed in (after, upTo], once for each change; 0 stands for the account data of no room. */
  accountDataRooms(user: UserNid, after: StreamPos, upTo: StreamPos): readonly RoomNid[] {
    return this.#accountDataRooms.all(user, after, upTo);
  }

  /** The user's joined rooms with an event or a receipt after a position, however long ago: one look at each room. */
  roomsBehind(user: UserNid, after: StreamPos): RoomNid[] {
    return this.#behind.all(user, after, after).map(({ room }) => room);
  }

  /** Live events of a segment between two places, both exclusive, newest first. */
  events(segment: number, after: number, before: number, limit: number): readonly EventRow[] {
    return this.#events.all(segment, after, before, limit);
  }
}
