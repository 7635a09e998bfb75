import type Sqlite from 'better-sqlite3';
import type { EventId } from '../../protocol/ids/types.ts';
import type { SpooledSigners } from './spool-signers.ts';

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
      `UPDATE progress SET urgency = ${urgencies.next}` +
        ` WHERE nid = (SELECT event.nid FROM event WHERE id = ?) AND urgency = ${urgencies.none}`,
    );
    this.#next = db.prepare<[number], { nid: number; body: Buffer | null }>(
      `SELECT progress.nid, bytes AS body FROM progress LEFT JOIN body ON body.nid = progress.nid` +
        ` WHERE urgency = ${urgencies.next} AND progress.nid > 0 ORDER BY progress.nid LIMIT ?`,
    );
    this.#setUrgent = db.prepare<[number], never>(`UPDATE progress SET urgency = ${urgencies.urgent} WHERE nid = ?`);
    this.#urgeSigner = db.prepare<[string, string], never>(
      'INSERT INTO signer_key (nid, urgent) SELECT nid, 1 FROM signer WHERE server = ? AND key_id = ?' +
        ' ON CONFLICT (nid) DO UPDATE SET urgent = 1',
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
