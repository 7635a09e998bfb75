import type { Database } from '../db.ts';
import type { UserNid } from '../nids.ts';

/** Until when accounts are good, where that has an end. Writing methods belong inside a write. */
export class AccountValidityStore {
  readonly #set;
  readonly #remove;
  readonly #over;
  readonly #end;
  readonly #hasEnded;

  constructor(db: Database) {
    this.#set = db.prepare<[user: number, until: number], never>(
      'INSERT INTO account_validity (user, until) VALUES (?, ?) ON CONFLICT (user)' +
        ' DO UPDATE SET until = excluded.until, ended = 0',
    );
    this.#remove = db.prepare<[user: number], never>('DELETE FROM account_validity WHERE user = ?');
    this.#over = db
      .prepare<[now: number, limit: number], UserNid>(
        'SELECT user FROM account_validity WHERE ended = 0 AND until <= ? LIMIT ?',
      )
      .pluck();
    this.#end = db.prepare<[user: number], never>('UPDATE account_validity SET ended = 1 WHERE user = ?');
    this.#hasEnded = db
      .prepare<[user: number], 1>('SELECT 1 FROM account_validity WHERE user = ? AND ended = 1')
      .pluck();
  }

  set(user: UserNid, until: number): void {
    this.#set.run(user, until);
  }

  remove(user: UserNid): void {
    this.#remove.run(user);
  }

  /** The account is locked because its time is over. */
  end(user: UserNid): void {
    this.#end.run(user);
  }

  hasEnded(user: UserNid): boolean {
    return this.#hasEnded.get(user) !== undefined;
  }

  /** Some of those whose time is over, and who are not locked for it yet. */
  over(now: number, limit: number): UserNid[] {
    return this.#over.all(now, limit);
  }
}
