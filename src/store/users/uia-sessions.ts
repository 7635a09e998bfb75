import type { Database } from '../db.ts';
import type { UserNid } from '../nids.ts';

/** What stages have found out. */
export interface UiaMemory {
  readonly user?: UserNid;
  readonly registrationToken?: string;
  /** A mail address that was shown to be the person's. */
  readonly mail?: string;
}

export interface UiaSessionRow {
  readonly id: string;
  /** What it was opened for. */
  readonly operation: string;
  readonly user: UserNid | undefined;
  /** Stages, in the order of their completion. */
  readonly completed: readonly string[];
  readonly memory: UiaMemory;
  readonly expires: number;
}

interface Raw {
  id: string;
  operation: string;
  user: UserNid | null;
  completed: string;
  params: string;
  expires: number;
}

const columns = 'id, operation, user, completed, params, expires';

/** Sessions of user-interactive authentication. */
export class UiaSessionStore {
  readonly #find;
  readonly #insert;
  readonly #update;
  readonly #remove;
  readonly #expired;

  constructor(db: Database) {
    this.#find = db.prepare<[id: string], Raw>(`SELECT ${columns} FROM uia_session WHERE id = ?`);
    this.#insert = db.prepare<[string, string, number | null, number]>(
      "INSERT INTO uia_session (id, operation, user, completed, params, expires) VALUES (?, ?, ?, '[]', '{}', ?)",
    );
    this.#update = db.prepare<[string, string, string]>(
      'UPDATE uia_session SET completed = ?, params = ? WHERE id = ?',
    );
    this.#remove = db.prepare<[id: string]>('DELETE FROM uia_session WHERE id = ?');
    this.#expired = db.prepare<[now: number, limit: number], Raw>(
      `SELECT ${columns} FROM uia_session WHERE expires <= ? ORDER BY expires LIMIT ?`,
    );
  }

  find(id: string): UiaSessionRow | undefined {
    const raw = this.#find.get(id);
    return raw && toRow(raw);
  }

  insert(id: string, operation: string, user: UserNid | undefined, expires: number): void {
    this.#insert.run(id, operation, user ?? null, expires);
  }

  update(id: string, completed: readonly string[], memory: UiaMemory): void {
    this.#update.run(JSON.stringify(completed), JSON.stringify(memory), id);
  }

  remove(id: string): void {
    this.#remove.run(id);
  }

  /** The oldest of those that are over. */
  expired(now: number, limit: number): UiaSessionRow[] {
    return this.#expired.all(now, limit).map(toRow);
  }
}

function toRow(raw: Raw): UiaSessionRow {
  return {
    id: raw.id,
    operation: raw.operation,
    user: raw.user ?? undefined,
    completed: JSON.parse(raw.completed) as string[],
    memory: JSON.parse(raw.params) as UiaMemory,
    expires: raw.expires,
  };
}
