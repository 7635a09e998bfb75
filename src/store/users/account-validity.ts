import type { Database } from '../db.ts';
import type { UserNid } from '../nids.ts';

/** Until when accounts are good, where that has an end. Writing methods belong inside a write. */
export class AccountValidityStore {
  readonly #set;
  readonly #remove;
  readonly #over;

  constructor(db: Database) {
    this.#set = db.prepare<[user: number, until: number], never>(
      'INSERT INTO account_validity (user, until) VALUES (?, ?) ON CONFLICT (user) DO UPDATE SET until = excluded.until',
    );
    this.#remove = db.prepare<[user: number], never>('DELETE FROM account_validity WHERE user = ?');
    this.#over = db
      .prepare<[now: number, limit: number], UserNid>('SELECT user FROM account_validity WHERE until <= ? LIMIT ?')
      .pluck();
  }

  set(user: UserNid, until: number): void {
    this.#set.run(user, until);
  }

  remove(user: UserNid): void {
    this.#remove.run(user);
  }

  /** Some of those whose time is over. */
  over(now: number, limit: number): UserNid[] {
    return this.#over.all(now, limit);
  }
}
