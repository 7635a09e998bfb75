import type Sqlite from 'better-sqlite3';
import type { KeyId, ServerName } from '../../protocol/ids/types.ts';
import { type Millis, millis } from '../../util/brand.ts';

export type SpooledSigners = Iterable<{ readonly server: ServerName; readonly keyIds: readonly KeyId[] }>;

export interface SpooledSigner {
  /** Where the next page goes on. */
  readonly nid: number;
  readonly server: ServerName;
  readonly keyId: KeyId;
  /** The newest time of an event that it signed. */
  readonly ts: Millis;
}

export interface SpooledKey {
  readonly nid: number;
  /** The public key, and until when what it signed counts. */
  readonly key: Uint8Array;
  readonly validUntil: number;
}

/** Who signed the events of a spool, and with which keys. */
export class SpoolSigners {
  readonly #add;
  readonly #all;
  readonly #urgent;
  readonly #set;
  readonly #get;

  constructor(db: Sqlite.Database) {
    type Row = { nid: number; server: ServerName; keyId: KeyId; ts: number };
    this.#add = db.prepare<[string, string, number], never>(
      'INSERT INTO signer (server, key_id, ts) VALUES (?, ?, ?)' +
        ' ON CONFLICT (server, key_id) DO UPDATE SET ts = excluded.ts WHERE excluded.ts > ts',
    );
    this.#all = db.prepare<[number, number], Row>(
      'SELECT signer.nid, server, key_id AS keyId, ts FROM signer LEFT JOIN signer_key ON signer_key.nid = signer.nid' +
        ' WHERE signer.nid > ? AND key IS NULL ORDER BY signer.nid LIMIT ?',
    );
    this.#urgent = db.prepare<[number, number], Row>(
      'SELECT signer.nid, server, key_id AS keyId, ts FROM signer_key CROSS JOIN signer ON signer.nid = signer_key.nid' +
        ' WHERE signer_key.nid > ? AND urgent = 1 ORDER BY signer_key.nid LIMIT ?',
    );
    this.#set = db.prepare<[number, Uint8Array, number], never>(
      'INSERT INTO signer_key (nid, key, valid_until) VALUES (?, ?, ?)' +
        ' ON CONFLICT (nid) DO UPDATE SET key = excluded.key, valid_until = excluded.valid_until',
    );
    this.#get = db.prepare<[string, string], { key: Buffer | null; validUntil: number | null }>(
      'SELECT key, valid_until AS validUntil FROM signer CROSS JOIN signer_key ON signer_key.nid = signer.nid' +
        ' WHERE server = ? AND key_id = ?',
    );
  }

  /** They have signed an event of that time. */
  add(signers: SpooledSigners, ts: Millis): void {
    for (const { server, keyIds } of signers) for (const keyId of keyIds) this.#add.run(server, keyId, ts);
  }

  /**
   * Servers and keys that signed, in the order in which they came: those whose public keys are not known yet, or those
   * that signed what is urgent.
   */
  page(after: number, limit: number, onlyUrgent = false): SpooledSigner[] {
    const statement = onlyUrgent ? this.#urgent : this.#all;
    return statement.all(after, limit).map((signer) => ({ ...signer, ts: millis(signer.ts) }));
  }

  /** Public keys that were found out. */
  setKeys(keys: readonly SpooledKey[]): void {
    for (const { nid, key, validUntil } of keys) this.#set.run(nid, key, validUntil);
  }

  key(server: ServerName, keyId: KeyId): { readonly key: Buffer; readonly validUntil: number } | undefined {
    const row = this.#get.get(server, keyId);
    const key = row?.key ?? undefined;
    return key && { key, validUntil: row?.validUntil ?? 0 };
  }
}
