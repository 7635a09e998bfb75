import type { Database } from '../db.ts';
import type { EventNid, RoomNid, UserNid } from '../nids.ts';

/** How a delayed event ended, or that it has not: in this order in the database. */
export const delayedStatuses = ['scheduled', 'sent', 'cancelled', 'failed'] as const;
export type DelayedStatus = (typeof delayedStatuses)[number];

export interface NewDelayedEvent {
  readonly id: string;
  readonly user: UserNid;
  readonly room: RoomNid;
  readonly type: string;
  /** `null`: no state event. */
  readonly stateKey: string | null;
  /** JSON. */
  readonly content: string;
  /** Milliseconds. */
  readonly delay: number;
  /** Device, room, type and transaction ID: the same again is the same event. */
  readonly txn: string | null;
  /** Milliseconds since the epoch. */
  readonly started: number;
}

export interface DelayedEventRow extends NewDelayedEvent {
  readonly status: DelayedStatus;
  /** When it ended. */
  readonly ended: number | null;
  readonly event: EventNid | null;
  /** Why it could not be sent. */
  readonly errcode: string | null;
  readonly error: string | null;
}

/** How a delayed event ended. */
export interface DelayedEnd {
  readonly status: Exclude<DelayedStatus, 'scheduled'>;
  /** Milliseconds since the epoch. */
  readonly ts: number;
  readonly event?: EventNid;
  readonly refusal?: { readonly errcode: string; readonly error: string };
}

type Raw = Omit<DelayedEventRow, 'status'> & { readonly status: number };

const columns =
  'id, user, room, kind AS type, skey AS stateKey, content, delay, txn, started, status, ended, event, errcode, error';

/** Events that are to be sent later, and for a while what became of them. */
export class DelayedEventStore {
  readonly #insert;
  readonly #find;
  readonly #byTxn;
  readonly #ofUser;
  readonly #due;
  readonly #nextDue;
  readonly #sameState;
  readonly #restart;
  readonly #end;
  readonly #removeEnded;
  readonly #removeSurplus;
  readonly #ofEvent;

  constructor(db: Database) {
    this.#insert = db.prepare<
      [string, number, number, string, string | null, string, number, string | null, number, number]
    >(
      'INSERT INTO delayed_event (id, user, room, kind, skey, content, delay, txn, started, due)' +
        ' VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    );
    this.#find = db.prepare<[id: string], Raw>(`SELECT ${columns} FROM delayed_event WHERE id = ?`);
    this.#byTxn = db.prepare<[txn: string], Raw>(`SELECT ${columns} FROM delayed_event WHERE txn = ?`);
    this.#ofUser = db.prepare<[user: number], Raw>(
      `SELECT ${columns} FROM delayed_event WHERE user = ? AND status = 0 ORDER BY due`,
    );
    this.#due = db.prepare<[now: number, limit: number], Raw>(
      `SELECT ${columns} FROM delayed_event WHERE status = 0 AND due <= ? ORDER BY due LIMIT ?`,
    );
    this.#nextDue = db
      .prepare<[], number>('SELECT due FROM delayed_event WHERE status = 0 AND due >= 0 ORDER BY due LIMIT 1')
      .pluck();
    this.#sameState = db.prepare<[room: number, type: string, skey: string, user: number], { id: string }>(
      'SELECT id FROM delayed_event WHERE status = 0 AND room = ? AND kind = ? AND skey = ? AND user <> ?',
    );
    this.#restart = db.prepare<[started: number, due: number, id: string]>(
      'UPDATE delayed_event SET started = ?, due = ? WHERE id = ?',
    );
    this.#end = db.prepare<[number, number, number | null, string | null, string | null, string]>(
      'UPDATE delayed_event SET status = ?, ended = ?, event = ?, errcode = ?, error = ? WHERE id = ?',
    );
    this.#removeEnded = db.prepare<[before: number, limit: number]>(
      'DELETE FROM delayed_event WHERE id IN' +
        ' (SELECT id FROM delayed_event WHERE ended IS NOT NULL AND ended < ? ORDER BY ended LIMIT ?)',
    );
    this.#removeSurplus = db.prepare<[user: number, limit: number, kept: number]>(
      'DELETE FROM delayed_event WHERE id IN' +
        ' (SELECT id FROM delayed_event WHERE user = ? AND ended IS NOT NULL ORDER BY ended DESC LIMIT ? OFFSET ?)',
    );
    this.#ofEvent = db.prepare<[event: number], string>('SELECT id FROM delayed_event WHERE event = ?').pluck();
  }

  insert(event: NewDelayedEvent): void {
    const { id, user, room, type, stateKey, content, delay, txn, started } = event;
    this.#insert.run(id, user, room, type, stateKey, content, delay, txn, started, started + delay);
  }

  find(id: string): DelayedEventRow | undefined {
    return read(this.#find.get(id));
  }

  byTxn(txn: string): DelayedEventRow | undefined {
    return read(this.#byTxn.get(txn));
  }

  /** Those that are still to be sent, the first to be sent first. */
  ofUser(user: UserNid): DelayedEventRow[] {
    return this.#ofUser.all(user).map((raw) => read(raw) as DelayedEventRow);
  }

  due(now: number, limit: number): DelayedEventRow[] {
    return this.#due.all(now, limit).map((raw) => read(raw) as DelayedEventRow);
  }

  nextDue(): number | undefined {
    return this.#nextDue.get();
  }

  /** Those that others have scheduled for the same entry of the state. */
  ofOthersForState(room: RoomNid, type: string, stateKey: string, user: UserNid): string[] {
    return this.#sameState.all(room, type, stateKey, user).map(({ id }) => id);
  }

  restart(id: string, started: number, delay: number): void {
    this.#restart.run(started, started + delay, id);
  }

  end(id: string, { status, ts, event, refusal }: DelayedEnd): void {
    const { errcode = null, error = null } = refusal ?? {};
    this.#end.run(delayedStatuses.indexOf(status), ts, event ?? null, errcode, error, id);
  }

  /** The delayed event that became this one, as long as it is remembered. */
  ofEvent(event: EventNid): string | undefined {
    return this.#ofEvent.get(event);
  }

  removeEnded(before: number, limit: number): void {
    this.#removeEnded.run(before, limit);
  }

  /** Of those of a user that have ended, some beyond the newest `kept`. */
  removeSurplus(user: UserNid, kept: number, limit: number): void {
    this.#removeSurplus.run(user, limit, kept);
  }
}

function read(raw: Raw | undefined): DelayedEventRow | undefined {
  return raw && { ...raw, status: delayedStatuses[raw.status] as DelayedStatus };
}
