import type { Database } from '../db.ts';

export interface RegistrationTokenRow {
  readonly token: string;
  /** How many accounts it is good for; `null`: any number. */
  readonly uses: number | null;
  readonly used: number;
  /** Registrations that have shown it but are not finished. */
  readonly pending: number;
  readonly created: number;
  /** Milliseconds since the epoch; `null`: never. */
  readonly expires: number | null;
}

const columns = 'token, uses, used, pending, created, expires';

/** Tokens that let people register. */
export class RegistrationTokenStore {
  readonly #find;
  readonly #list;
  readonly #insert;
  readonly #remove;
  readonly #count;

  constructor(db: Database) {
    this.#find = db.prepare<[token: string], RegistrationTokenRow>(
      `SELECT ${columns} FROM registration_token WHERE token = ?`,
    );
    this.#list = db.prepare<[after: string, limit: number], RegistrationTokenRow>(
      `SELECT ${columns} FROM registration_token WHERE token > ? ORDER BY token LIMIT ?`,
    );
    this.#insert = db.prepare<[string, number | null, number, number | null]>(
      'INSERT INTO registration_token (token, uses, created, expires) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
    );
    this.#remove = db.prepare<[token: string]>('DELETE FROM registration_token WHERE token = ?');
    this.#count = db.prepare<[pending: number, used: number, token: string]>(
      'UPDATE registration_token SET pending = max(0, pending + ?), used = used + ? WHERE token = ?',
    );
  }

  find(token: string): RegistrationTokenRow | undefined {
    return this.#find.get(token);
  }

  /** By token, those after `after`. */
  page(after: string, limit: number): RegistrationTokenRow[] {
    return this.#list.all(after, limit);
  }

  /** False, and nothing changed, if the token exists. */
  insert(token: string, uses: number | undefined, created: number, expires: number | undefined): boolean {
    return this.#insert.run(token, uses ?? null, created, expires ?? null).changes === 1;
  }

  remove(token: string): boolean {
    return this.#remove.run(token).changes === 1;
  }

  /** Changes the counts; a token that is gone is no error. */
  count(token: string, change: { readonly pending: number; readonly used: number }): void {
    this.#count.run(change.pending, change.used, token);
  }
}
