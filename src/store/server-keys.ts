import type { KeyId } from '../protocol/ids/types.ts';
import type { Millis } from '../util/brand.ts';
import type { Database } from './db.ts';

/** The public half of a signing key of this server. */
export interface ServerKeyRow {
  readonly keyId: KeyId;
  readonly publicKey: Buffer;
  readonly created: Millis;
  /** Since when it no longer signs; null: it is in use. */
  readonly expired: Millis | null;
}

/** Our own signing keys, the old ones too: what they signed has to stay verifiable. Writes happen inside `db.write`. */
export class ServerKeyStore {
  readonly #list;
  readonly #insert;
  readonly #expire;

  constructor(db: Database) {
    this.#list = db.prepare<[], ServerKeyRow>(
      'SELECT key_id AS keyId, public AS publicKey, created, expired FROM server_key ORDER BY expired IS NOT NULL, created DESC',
    );
    this.#insert = db.prepare<[KeyId, Buffer, Millis]>(
      `INSERT INTO server_key (key_id, public, created) VALUES (?, ?, ?)
       ON CONFLICT (key_id) DO UPDATE SET expired = NULL WHERE expired IS NOT NULL`,
    );
    this.#expire = db.prepare<[Millis, KeyId]>(
      'UPDATE server_key SET expired = ? WHERE expired IS NULL AND key_id <> ?',
    );
  }

  /** The key in use first, then the newest. */
  list(): ServerKeyRow[] {
    return this.#list.all();
  }

  /** Makes `keyId` the one key in use; every other one has stopped signing at `now`. Repeating it changes nothing. */
  use(keyId: KeyId, publicKey: Buffer, now: Millis): void {
    this.#insert.run(keyId, publicKey, now);
    this.#expire.run(now, keyId);
  }
}
