import { type Millis, millis } from '../../util/brand.ts';
import type { Database } from '../db.ts';
import { type EventRow, eventColumns } from '../events/event-row.ts';
import type { EventNid } from '../nids.ts';

/** How far a look at all events is. */
export interface StrayLook {
  /** When it began, milliseconds since the epoch. */
  readonly since: Millis;
  /** Events up to here have been looked at. */
  readonly upTo: EventNid | 0;
}

/**
 * Looks at events, in the order in which their IDs were first seen, for messages that have no place in any room:
 * rejected, soft-failed, or brought here one by one. Writing methods belong inside a write.
 */
export class StrayMessages {
  readonly #look;
  readonly #setLook;
  readonly #page;
  readonly #isKept;

  constructor(db: Database) {
    this.#look = db.prepare<[], string>("SELECT value FROM meta WHERE key = 'strays'").pluck();
    this.#setLook = db.prepare<[look: string], never>(
      "INSERT INTO meta (key, value) VALUES ('strays', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
    );
    this.#page = db.prepare<[after: number, upTo: number, limit: number], EventRow>(
      `SELECT ${eventColumns} FROM event WHERE nid > ? AND nid <= ? ORDER BY nid LIMIT ?`,
    );
    this.#isKept = db.prepare<[room: number, event: number], 1>(
      'SELECT 1 FROM kept_message WHERE room = ? AND event = ?',
    );
  }

  /** `undefined`: there was none yet. */
  get look(): StrayLook | undefined {
    const [since, upTo] = (this.#look.get() ?? '').split(' ').map(Number);
    return since === undefined || upTo === undefined ? undefined : { since: millis(since), upTo: upTo as EventNid };
  }

  setLook({ since, upTo }: StrayLook): void {
    this.#setLook.run(`${since} ${upTo}`);
  }

  /** The next events up to a number. */
  page(after: EventNid | 0, upTo: EventNid, limit: number): EventRow[] {
    return this.#page.all(after, upTo, limit);
  }

  /** Whether it is a message without a place, and not one that was kept when its place went. */
  isStray({ nid, room, pos, segment, stateKey }: EventRow): boolean {
    return pos === null && segment === null && stateKey === null && this.#isKept.get(room, nid) === undefined;
  }
}
