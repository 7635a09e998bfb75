import type { Database } from '../db.ts';
import type { EventNid, RoomNid } from '../nids.ts';

/**
 * Which redaction was applied to which event, which redactions wait for a target that is not here yet – or for what becomes of
 * another redaction of it –, and what events said whose redaction may not have been allowed. Writing methods belong inside a write.
 */
export class RedactionStore {
  readonly #of;
  readonly #insert;
  readonly #pendingFor;
  readonly #addPending;
  readonly #dropPending;
  readonly #dropOnePending;
  readonly #remove;
  readonly #hold;
  readonly #held;
  readonly #letGo;

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
    this.#dropOnePending = db.prepare<[target: number, redaction: number], never>(
      'DELETE FROM pending_redaction WHERE target = ? AND redaction = ?',
    );
    this.#remove = db.prepare<[target: number], never>('DELETE FROM redaction WHERE target = ?');
    this.#hold = db.prepare<[room: number, target: number, body: Buffer], never>(
      'INSERT OR REPLACE INTO redacted_original (room, target, body) VALUES (?, ?, ?)',
    );
    this.#held = db
      .prepare<[room: number, target: number], Buffer>(
        'SELECT body FROM redacted_original WHERE room = ? AND target = ?',
      )
      .pluck();
    this.#letGo = db.prepare<[room: number, target: number], never>(
      'DELETE FROM redacted_original WHERE room = ? AND target = ?',
    );
  }

  /** The redaction that is shown with a redacted event: the first that was applied. */
  of(target: EventNid): EventNid | undefined {
    return this.#of.get(target)?.redaction;
  }

  /** Records that `redaction` was applied; an earlier one stays. */
  apply(target: EventNid, redaction: EventNid): void {
    this.#insert.run(target, redaction);
  }

  /** Forgets that the target was redacted. */
  remove(target: EventNid): void {
    this.#remove.run(target);
  }

  /** Keeps what the target says, whose redaction may turn out not to have been allowed. */
  hold(room: RoomNid, target: EventNid, canonical: string): void {
    this.#hold.run(room, target, Buffer.from(canonical));
  }

  /** What was kept of a redacted event, as canonical JSON. */
  held(room: RoomNid, target: EventNid): string | undefined {
    return this.#held.get(room, target)?.toString();
  }

  /** What was kept of it need not be kept any more. */
  letGo(room: RoomNid, target: EventNid): void {
    this.#letGo.run(room, target);
  }

  /** The redaction waits no longer. */
  drop(target: EventNid, redaction: EventNid): void {
    this.#dropOnePending.run(target, redaction);
  }

  /** Remembers a redaction whose target is not here yet, or about which another one has to be decided first. */
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
