import type { UserId } from '../../protocol/ids/types.ts';
import type { Preparing } from '../database/reader.ts';
import type { Statement } from '../database/statement.ts';
import type { ServerNid, UserNid } from '../nids.ts';
import { NidCache } from './nid-cache.ts';

export interface User {
  readonly id: UserId;
  readonly server: ServerNid;
}

export interface Servers {
  find(name: string): ServerNid | undefined;
  intern(name: string): ServerNid;
  text(nid: ServerNid): string;
}

/** User IDs, stored as (server, localpart). */
export class UserTable {
  readonly #db: Preparing;
  readonly #servers: Servers;
  readonly #cache: NidCache<UserNid, User>;
  readonly #find: Statement<[number, string], UserNid>;
  readonly #insert: Statement<[number, string], never>;
  readonly #row: Statement<[number], { server: ServerNid; localpart: string }>;

  constructor(db: Preparing, servers: Servers, cacheLimit: number) {
    this.#db = db;
    this.#servers = servers;
    this.#cache = new NidCache(cacheLimit);
    this.#find = db
      .prepare<[number, string], UserNid>('SELECT nid FROM user WHERE server = ? AND localpart = ?')
      .pluck();
    this.#insert = db.prepare('INSERT INTO user (server, localpart) VALUES (?, ?)');
    this.#row = db.prepare('SELECT server, localpart FROM user WHERE nid = ?');
  }

  find(id: string): UserNid | undefined {
    const cached = this.#cache.nid(id);
    if (cached !== undefined) return cached;
    const parts = split(id.toWellFormed());
    const server = parts && this.#servers.find(parts.server);
    if (parts === undefined || server === undefined) return undefined;
    const nid = this.#find.get(server, parts.localpart);
    if (nid !== undefined && id.isWellFormed()) this.#cache.setNid(id, nid);
    return nid;
  }

  intern(id: string): UserNid {
    const known = this.find(id);
    if (known !== undefined) return known;
    const key = id.toWellFormed();
    const parts = split(key);
    if (parts === undefined) throw new TypeError('not a user ID: it has no sigil or no server name');
    const nid = this.#insert.run(this.#servers.intern(parts.server), parts.localpart).lastInsertRowid as UserNid;
    this.#db.afterRollback(() => this.#cache.delete(key, nid));
    this.#cache.setNid(key, nid);
    return nid;
  }

  user(nid: UserNid): User {
    const cached = this.#cache.value(nid);
    if (cached !== undefined) return cached;
    const user = this.#read(nid, (server) => this.#servers.text(server));
    this.#cache.setValue(nid, user);
    return user;
  }

  /** The same, not kept in memory. */
  passingUser(nid: UserNid, serverName: (nid: ServerNid) => string): User {
    return this.#cache.value(nid) ?? this.#read(nid, serverName);
  }

  #read(nid: UserNid, serverName: (nid: ServerNid) => string): User {
    const row = this.#row.get(nid);
    if (row === undefined) throw new Error(`user has no NID ${nid}`);
    return { id: `@${row.localpart}:${serverName(row.server)}` as UserId, server: row.server };
  }

  clearCache(): void {
    this.#cache.clear();
  }
}

// A localpart has no colon; a server name may (port, IPv6 literal).
function split(id: string): { localpart: string; server: string } | undefined {
  const colon = id.indexOf(':');
  return id.startsWith('@') && colon > 0 ? { localpart: id.slice(1, colon), server: id.slice(colon + 1) } : undefined;
}
