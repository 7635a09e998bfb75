import type Sqlite from 'better-sqlite3';
import type { EventId, KeyId, ServerName } from '../../protocol/ids/types.ts';

export type SpooledSigners = Iterable<{ readonly server: ServerName; readonly keyIds: readonly KeyId[] }>;

/** Of an event: `next` is to be looked at for what it cites. */
export const urgencies = { none: 0, next: 1, urgent: 2 } as const;

/** Marks events of a spool that are to be taken before the others. */
export class SpoolUrgency {
  readonly #urge;
  readonly #next;
  readonly #setUrgent;
  readonly #urgeSigner;

  constructor(db: Sqlite.Database) {
    this.#urge = db.prepare<[string], never>(
      `UPDATE event SET urgency = ${urgencies.next} WHERE id = ? AND urgency = ${urgencies.none}`,
    );
    this.#next = db.prepare<[number], { nid: number; body: Buffer | null }>(
      `SELECT event.nid, bytes AS body FROM event LEFT JOIN body ON body.nid = event.nid` +
        ` WHERE urgency = ${urgencies.next} AND event.nid > 0 ORDER BY event.nid LIMIT ?`,
    );
    this.#setUrgent = db.prepare<[number], never>(`UPDATE event SET urgency = ${urgencies.urgent} WHERE nid = ?`);
    this.#urgeSigner = db.prepare<[string, string], never>(
      'UPDATE signer SET urgent = 1 WHERE server = ? AND key_id = ?',
    );
  }

  /** These events are, as far as they are here. */
  urge(ids: readonly EventId[]): void {
    for (const id of ids) this.#urge.run(id);
  }

  /** Some that were not looked at yet: what they cite is urgent as well. One that is only cited has no body. */
  next(limit: number): { readonly nid: number; readonly body: Buffer | null }[] {
    return this.#next.all(limit);
  }

  /** One was looked at: what it cites, and who signed it. */
  looked(nid: number, authEvents: readonly EventId[], signers: SpooledSigners): void {
    this.urge(authEvents);
    for (const { server, keyIds } of signers) for (const keyId of keyIds) this.#urgeSigner.run(server, keyId);
    this.#setUrgent.run(nid);
  }
}
