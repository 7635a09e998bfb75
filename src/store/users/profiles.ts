import type { JsonValue } from '../../util/json.ts';
import type { Database } from '../db.ts';
import type { UserNid } from '../nids.ts';

/** The fields of local users' profiles. */
export class ProfileStore {
  readonly #field;
  readonly #all;
  readonly #size;
  readonly #put;
  readonly #remove;
  readonly #removeAll;

  constructor(db: Database) {
    this.#field = db.prepare<[user: number, field: string], { value: string }>(
      'SELECT value FROM profile WHERE user = ? AND field = ?',
    );
    this.#all = db.prepare<[user: number], { field: string; value: string }>(
      'SELECT field, value FROM profile WHERE user = ?',
    );
    this.#size = db.prepare<[user: number, field: string], { size: number }>(
      // What a field takes in the JSON text: quotes, colon, comma.
      'SELECT coalesce(sum(octet_length(field) + octet_length(value) + 4), 0) AS size FROM profile' +
        ' WHERE user = ? AND field <> ?',
    );
    this.#put = db.prepare<[number, string, string]>(
      'INSERT INTO profile (user, field, value) VALUES (?, ?, ?)' +
        ' ON CONFLICT (user, field) DO UPDATE SET value = excluded.value',
    );
    this.#remove = db.prepare<[user: number, field: string]>('DELETE FROM profile WHERE user = ? AND field = ?');
    this.#removeAll = db.prepare<[user: number]>('DELETE FROM profile WHERE user = ?');
  }

  /** `undefined` if the field is not set; it may be set to `null`. */
  field(user: UserNid, field: string): JsonValue | undefined {
    const row = this.#field.get(user, field);
    return row && (JSON.parse(row.value) as JsonValue);
  }

  all(user: UserNid): Map<string, JsonValue> {
    return new Map(this.#all.all(user).map(({ field, value }) => [field, JSON.parse(value) as JsonValue]));
  }

  /** Bytes of JSON that the profile takes without one field. */
  sizeWithout(user: UserNid, field: string): number {
    return this.#size.get(user, field)?.size ?? 0;
  }

  put(user: UserNid, field: string, value: JsonValue): void {
    this.#put.run(user, field, JSON.stringify(value));
  }

  /** False if it was not set. */
  remove(user: UserNid, field: string): boolean {
    return this.#remove.run(user, field).changes === 1;
  }

  removeAll(user: UserNid): void {
    this.#removeAll.run(user);
  }
}
