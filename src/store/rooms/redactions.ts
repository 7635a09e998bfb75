import type { Database } from '../db.ts';
import type { EventNid } from '../nids.ts';

/** Which redaction was applied to which event, and which redactions wait for a target that is not here yet. */
export class RedactionStore {
  readonly #of;
  readonly #insert;
  readonly #pendingFor;
  readonly #addPending;
  readonly #dropPending;

  constructor(db: Database) {
    this.#of = db.prepare<[target: number], { redaction: EventNid }>(
      'SELECT redaction FROM redaction WHERE target = ?',
    );
    this.#insert = db.prepare<[target: number, redaction: number], unknown>(
      'INSERT INTO redaction (target, redaction) VALUES (?, ?) ON CONFLICT DO NOTHING',
    );
    this.#pendingFor = db.prepare<[target: number], { redaction: EventNid }>(
      'SELECT redaction FROM pending_redaction WHERE target = ? ORDER BY redaction',
    );
    this.#addPending = db.prepare<[target: number, redaction: number], unknown>(
      'INSERT INTO pending_redaction (target, redaction) VALUES (?, ?) ON CONFLICT DO NOTHING',
    );
    this.#dropPending = db.prepare<[target: number], unknown>('DELETE FROM pending_redaction WHERE target = ?');
  }

  /** The redaction that is shown with a redacted event: the first that was applied. */
  of(target: EventNid): EventNid | undefined {
    return this.#of.get(target)?.redaction;
  }

  /** Records that `redaction` was applied; an earlier one stays. */
  apply(target: EventNid, redaction: EventNid): void {
    this.#insert.run(target, redaction);
  }

  /** Remembers a redaction whose target is not here yet. */
  defer(target: EventNid, redaction: EventNid): void {
    this.#addPending.run(target, redaction);
  }

  /** The redactions that waited for `target`, oldest first; they wait no longer. */
  take(target: EventNid): EventNid[] {
    const waiting = this.#pendingFor.all(target).map(({ redaction }) => redaction);
    if (waiting.length > 0) this.#dropPending.run(target);
    return waiting;
  }
}
