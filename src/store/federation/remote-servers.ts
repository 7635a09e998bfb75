import { type Millis, millis } from '../../util/brand.ts';
import type { Database } from '../db.ts';
import type { ServerNid } from '../nids.ts';

/** How another server was doing when we last had to do with it. */
export interface RemoteServerRow {
  readonly server: ServerNid;
  /** When it last answered or called; null: never yet. */
  readonly answered: Millis | null;
  /** Since when it does not answer; null: it does. */
  readonly failing: Millis | null;
  /** The present back-off. */
  readonly wait: Millis;
  readonly retryAt: Millis | null;
}

/** No time that was written down is later. */
const atAnyTime = millis(Number.MAX_SAFE_INTEGER);

/** Which other servers answer. Writing methods belong inside a write. */
export class RemoteServerStore {
  readonly #get;
  readonly #answered;
  readonly #failed;
  readonly #endWaits;
  readonly #forget;
  readonly #forgetNever;
  readonly #count;

  constructor(db: Database) {
    this.#get = db.prepare<[ServerNid], RemoteServerRow>(
      'SELECT server, answered, failing, wait, retry_at AS retryAt FROM remote_server WHERE server = ?',
    );
    this.#answered = db.prepare<{ server: ServerNid; now: Millis }>(
      `INSERT INTO remote_server (server, answered, failing, wait, retry_at, seen) VALUES (:server, :now, NULL, 0, NULL, :now)
       ON CONFLICT DO UPDATE SET answered = :now, failing = NULL, wait = 0, retry_at = NULL, seen = :now`,
    );
    this.#failed = db.prepare<{ server: ServerNid; now: Millis; wait: Millis; retryAt: Millis }>(
      `INSERT INTO remote_server (server, answered, failing, wait, retry_at, seen)
       VALUES (:server, NULL, :now, :wait, :retryAt, :retryAt)
       ON CONFLICT DO UPDATE SET failing = ifnull(failing, :now), wait = :wait, retry_at = :retryAt, seen = :retryAt`,
    );
    this.#endWaits = db
      .prepare<{ since: Millis; now: Millis; limit: number }, ServerNid>(
        `UPDATE remote_server SET retry_at = NULL, seen = :now WHERE server IN
           (SELECT server FROM remote_server WHERE failing >= :since AND retry_at > :now ORDER BY failing LIMIT :limit)
         RETURNING server`,
      )
      .pluck();
    this.#forget = db.prepare<[Millis, number]>(
      'DELETE FROM remote_server WHERE server IN (SELECT server FROM remote_server WHERE seen < ? ORDER BY seen LIMIT ?)',
    );
    this.#forgetNever = db.prepare<[Millis, number]>(
      `DELETE FROM remote_server WHERE server IN
         (SELECT server FROM remote_server WHERE answered IS NULL AND seen < ? ORDER BY seen LIMIT ?)`,
    );
    this.#count = db.prepare<[], number>('SELECT count(*) FROM remote_server').pluck();
  }

  get(server: ServerNid): RemoteServerRow | undefined {
    return this.#get.get(server);
  }

  answered(server: ServerNid, now: Millis): void {
    this.#answered.run({ server, now });
  }

  failed(server: ServerNid, now: Millis, wait: Millis, retryAt: Millis): void {
    this.#failed.run({ server, now, wait, retryAt });
  }

  /**
   * Lets servers that began to fail since a time be tried at once; answers which. They still count as failing: one that
   * fails again waits as it would have.
   */
  endWaits(since: Millis, now: Millis, limit: number): ServerNid[] {
    return this.#endWaits.all({ since, now, limit });
  }

  /**
   * Forgets servers that nobody has had to do with since a time, and earlier those that never answered; of more than
   * `most`, those that were heard of longest ago.
   */
  forget(before: { readonly known: Millis; readonly never: Millis; readonly most: number }, limit: number): number {
    const old = this.#forget.run(before.known, limit).changes + this.#forgetNever.run(before.never, limit).changes;
    const excess = (this.#count.get() ?? 0) - before.most;
    return old + (excess > 0 ? this.#forget.run(atAnyTime, Math.min(excess, limit)).changes : 0);
  }
}
