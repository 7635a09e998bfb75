import type { Database } from '../db.ts';
import type { EventNid, RoomNid, StreamPos, UserNid } from '../nids.ts';
import type { mainTimeline } from './push-actions.ts';

/** A notification that was unread and is not kept any more. */
export interface ForgottenAction {
  readonly user: UserNid;
  readonly thread: EventNid | typeof mainTimeline;
  readonly highlight: 0 | 1;
}

/** What becomes of notifications when it turns out that an event is not what it was. Writing methods belong inside a write. */
export class PushCorrections {
  readonly #at;
  readonly #lower;
  readonly #lowerRead;
  readonly #raise;
  readonly #raiseRead;
  readonly #forget;
  readonly #forgetRead;

  constructor(db: Database) {
    this.#at = db.prepare<[user: number, room: number, pos: number], { thread: EventNid; highlight: number }>(
      'SELECT thread, highlight FROM push_action WHERE user = ? AND room = ? AND pos = ?',
    );
    this.#lower = db.prepare<[user: number, room: number, pos: number], never>(
      'UPDATE push_action SET highlight = 0 WHERE user = ? AND room = ? AND pos = ?',
    );
    this.#lowerRead = db.prepare<[user: number, pos: number], never>(
      'UPDATE push_read SET highlight = 0 WHERE user = ? AND pos = ?',
    );
    this.#raise = db.prepare<[user: number, room: number, pos: number], { thread: EventNid }>(
      'UPDATE push_action SET highlight = 1 WHERE user = ? AND room = ? AND pos = ? AND highlight = 0 RETURNING thread',
    );
    this.#raiseRead = db.prepare<[user: number, pos: number], never>(
      'UPDATE push_read SET highlight = 1 WHERE user = ? AND pos = ?',
    );
    this.#forget = db.prepare<[users: string, room: number, pos: number], ForgottenAction>(
      'DELETE FROM push_action WHERE user IN (SELECT value FROM json_each(?)) AND room = ? AND pos = ?' +
        ' RETURNING user, thread, highlight',
    );
    this.#forgetRead = db.prepare<[users: string, pos: number], never>(
      'DELETE FROM push_read WHERE user IN (SELECT value FROM json_each(?)) AND pos = ?',
    );
  }

  /** Makes an event no highlight any more; answers its thread if it is unread and was one. */
  lower(user: UserNid, room: RoomNid, pos: StreamPos): number | undefined {
    this.#lowerRead.run(user, pos);
    const row = this.#at.get(user, room, pos);
    if (row === undefined || row.highlight === 0) return undefined;
    this.#lower.run(user, room, pos);
    return row.thread;
  }

  /** Makes an event that notified the user a highlight; answers its thread if it is unread and was none. */
  raise(user: UserNid, room: RoomNid, pos: StreamPos): number | undefined {
    this.#raiseRead.run(user, pos);
    return this.#raise.get(user, room, pos)?.thread;
  }

  /** Forgets that an event notified these users, a JSON array; what of that was unread. */
  forget(users: string, room: RoomNid, pos: StreamPos): ForgottenAction[] {
    this.#forgetRead.run(users, pos);
    return this.#forget.all(users, room, pos);
  }
}
