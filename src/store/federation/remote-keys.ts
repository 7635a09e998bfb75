import type { KeyId } from '../../protocol/ids/types.ts';
import type { Millis } from '../../util/brand.ts';
import type { Database } from '../db.ts';
import type { ServerNid } from '../nids.ts';

/** A key of another server. */
export interface RemoteKeyRow {
  readonly keyId: KeyId;
  readonly publicKey: Buffer;
  /** Events up to then may be signed with it. */
  readonly validUntil: Millis;
  /** Whether its server has put it away: then `validUntil` is final. */
  readonly expired: 0 | 1;
}

/** The last answer of a server about its keys, as JSON text. */
export interface RemoteKeyAnswer {
  readonly answer: string;
  /** As the server says, at most a week after it was fetched. */
  readonly validUntil: Millis;
  readonly fetched: Millis;
}

/** The keys that other servers sign with. Writing methods belong inside a write. */
export class RemoteKeyStore {
  readonly #get;
  readonly #put;
  readonly #add;
  readonly #answer;
  readonly #putAnswer;
  readonly #countOf;
  readonly #trim;
  readonly #answers;
  readonly #oldest;
  readonly #dropAnswer;
  readonly #dropKeys;

  constructor(db: Database) {
    const columns = 'key_id AS keyId, public AS publicKey, valid_until AS validUntil, expired';
    this.#get = db.prepare<[ServerNid, KeyId], RemoteKeyRow>(
      `SELECT ${columns} FROM remote_key WHERE server = ? AND key_id = ?`,
    );
    const insert =
      'INSERT INTO remote_key (server, key_id, public, valid_until, expired) VALUES (?, ?, ?, ?, ?) ON CONFLICT';
    this.#put = db.prepare<[ServerNid, KeyId, Buffer, Millis, 0 | 1]>(
      `${insert} DO UPDATE SET public = excluded.public, valid_until = excluded.valid_until, expired = excluded.expired`,
    );
    this.#add = db.prepare<[ServerNid, KeyId, Buffer, Millis, 0 | 1]>(`${insert} DO NOTHING`);
    this.#answer = db.prepare<[ServerNid], RemoteKeyAnswer>(
      'SELECT answer, valid_until AS validUntil, fetched FROM remote_key_answer WHERE server = ?',
    );
    this.#putAnswer = db.prepare<[ServerNid, string, Millis, Millis]>(
      `INSERT INTO remote_key_answer (server, answer, valid_until, fetched) VALUES (?, ?, ?, ?) ON CONFLICT
       DO UPDATE SET answer = excluded.answer, valid_until = excluded.valid_until, fetched = excluded.fetched`,
    );
    this.#countOf = db.prepare<[ServerNid], number>('SELECT count(*) FROM remote_key WHERE server = ?').pluck();
    this.#trim = db.prepare<{ server: ServerNid; most: number }>(
      `DELETE FROM remote_key WHERE server = :server AND key_id IN
         (SELECT key_id FROM remote_key WHERE server = :server ORDER BY expired, valid_until DESC LIMIT -1 OFFSET :most)`,
    );
    this.#answers = db.prepare<[], number>('SELECT count(*) FROM remote_key_answer').pluck();
    this.#oldest = db
      .prepare<[number], ServerNid>('SELECT server FROM remote_key_answer WHERE fetched >= 0 ORDER BY fetched LIMIT ?')
      .pluck();
    this.#dropAnswer = db.prepare<[ServerNid]>('DELETE FROM remote_key_answer WHERE server = ?');
    this.#dropKeys = db.prepare<{ server: ServerNid }>(
      'DELETE FROM remote_key WHERE server = :server AND NOT EXISTS (SELECT 1 FROM user WHERE user.server = :server)',
    );
  }

  get(server: ServerNid, keyId: KeyId): RemoteKeyRow | undefined {
    return this.#get.get(server, keyId);
  }

  /** Writes a key down in place of what was known of it. */
  put(server: ServerNid, { keyId, publicKey, validUntil, expired }: RemoteKeyRow): void {
    this.#put.run(server, keyId, publicKey, validUntil, expired);
  }

  /** Writes a key down unless it is known. */
  add(server: ServerNid, { keyId, publicKey, validUntil, expired }: RemoteKeyRow): void {
    this.#add.run(server, keyId, publicKey, validUntil, expired);
  }

  /** Of more keys of a server than `most`, those go that it stopped to use first. */
  trim(server: ServerNid, most: number): void {
    if ((this.#countOf.get(server) ?? 0) > most) this.#trim.run({ server, most });
  }

  /**
   * Of more answers than `most`, those fetched longest ago are forgotten, `limit` of them at a time; and the keys of
   * servers none of whose users was ever met. False: there are no more than that.
   */
  forget(most: number, limit: number): boolean {
    const excess = (this.#answers.get() ?? 0) - most;
    if (excess <= 0) return false;
    for (const server of this.#oldest.all(Math.min(excess, limit))) {
      this.#dropAnswer.run(server);
      this.#dropKeys.run({ server });
    }
    return excess > limit;
  }

  answer(server: ServerNid): RemoteKeyAnswer | undefined {
    return this.#answer.get(server);
  }

  putAnswer(server: ServerNid, { answer, validUntil, fetched }: RemoteKeyAnswer): void {
    this.#putAnswer.run(server, answer, validUntil, fetched);
  }
}
