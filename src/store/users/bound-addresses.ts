import type { ServerName } from '../../protocol/ids/types.ts';
import type { Database } from '../db.ts';
import type { UserNid } from '../nids.ts';

export interface BoundAddress {
  readonly medium: 'email' | 'msisdn';
  readonly address: string;
  /** The identity server that tells whose it is. */
  readonly server: ServerName;
}

/** Which addresses of users identity servers were told of. Writing methods belong inside a write. */
export class BoundAddressStore {
  readonly #ofUser;
  readonly #insert;
  readonly #remove;

  constructor(db: Database) {
    this.#ofUser = db.prepare<[user: number], BoundAddress>(
      'SELECT medium, address, identity_server AS server FROM bound_address WHERE user = ?',
    );
    this.#insert = db.prepare<[number, string, string, string], never>(
      'INSERT INTO bound_address (user, medium, address, identity_server) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
    );
    this.#remove = db.prepare<[number, string, string, string], never>(
      'DELETE FROM bound_address WHERE user = ? AND medium = ? AND address = ? AND identity_server = ?',
    );
  }

  ofUser(user: UserNid): BoundAddress[] {
    return this.#ofUser.all(user);
  }

  insert(user: UserNid, { medium, address, server }: BoundAddress): void {
    this.#insert.run(user, medium, address, server);
  }

  remove(user: UserNid, { medium, address, server }: BoundAddress): void {
    this.#remove.run(user, medium, address, server);
  }
}
