import type { Database } from '../db.ts';
import type { DeviceNid, UserNid } from '../nids.ts';

/** The SHA-256 of a token: the token itself is never stored. */
export type TokenHash = Buffer;

export interface AccessTokenRow {
  readonly user: UserNid;
  readonly device: DeviceNid;
  /** When it stops being good; `null`: never. */
  readonly expires: number | null;
  /** The refresh token that was given with it. */
  readonly refresh: TokenHash | null;
}

export interface RefreshTokenRow {
  readonly user: UserNid;
  readonly device: DeviceNid;
  readonly successor: TokenHash | null;
}

export interface NewAccessToken {
  readonly user: UserNid;
  readonly device: DeviceNid;
  readonly created: number;
  readonly expires: number | undefined;
  readonly refresh: TokenHash | undefined;
}

/** Access, refresh and login tokens. */
export class TokenStore {
  readonly #access;
  readonly #insertAccess;
  readonly #removeAccess;
  readonly #removeAccessOf;
  readonly #refresh;
  readonly #insertRefresh;
  readonly #setSuccessor;
  readonly #predecessor;
  readonly #removeRefresh;
  readonly #insertLogin;
  readonly #login;
  readonly #removeLogin;
  readonly #removeLogins;
  readonly #removeExpiredLogin;

  constructor(db: Database) {
    this.#access = db.prepare<[hash: Buffer], AccessTokenRow>(
      'SELECT user, device, expires, refresh FROM access_token WHERE hash = ?',
    );
    this.#insertAccess = db.prepare<[Buffer, number, number, number, number | null, Buffer | null]>(
      'INSERT INTO access_token (hash, user, device, created, expires, refresh) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#removeAccess = db.prepare<[hash: Buffer]>('DELETE FROM access_token WHERE hash = ?');
    this.#removeAccessOf = db.prepare<[device: number, refresh: Buffer]>(
      'DELETE FROM access_token WHERE device = ? AND refresh = ?',
    );
    this.#refresh = db.prepare<[hash: Buffer], RefreshTokenRow>(
      'SELECT user, device, successor FROM refresh_token WHERE hash = ?',
    );
    this.#insertRefresh = db.prepare<[Buffer, number, number, number]>(
      'INSERT INTO refresh_token (hash, user, device, created) VALUES (?, ?, ?, ?)',
    );
    this.#setSuccessor = db.prepare<[successor: Buffer, hash: Buffer]>(
      'UPDATE refresh_token SET successor = ? WHERE hash = ?',
    );
    this.#predecessor = db.prepare<[successor: Buffer], { hash: Buffer }>(
      'SELECT hash FROM refresh_token WHERE successor = ?',
    );
    this.#removeRefresh = db.prepare<[hash: Buffer]>('DELETE FROM refresh_token WHERE hash = ?');
    this.#insertLogin = db.prepare<[Buffer, number, number]>(
      'INSERT INTO login_token (hash, user, expires) VALUES (?, ?, ?)',
    );
    this.#login = db.prepare<[hash: Buffer], { user: UserNid; expires: number }>(
      'SELECT user, expires FROM login_token WHERE hash = ?',
    );
    this.#removeLogin = db.prepare<[hash: Buffer]>('DELETE FROM login_token WHERE hash = ?');
    this.#removeLogins = db.prepare<[user: number]>('DELETE FROM login_token WHERE user = ? AND expires > 0');
    this.#removeExpiredLogin = db.prepare<[now: number]>('DELETE FROM login_token WHERE expires <= ?');
  }

  access(hash: TokenHash): AccessTokenRow | undefined {
    return this.#access.get(hash);
  }

  insertAccess(hash: TokenHash, token: NewAccessToken): void {
    const { user, device, created, expires, refresh } = token;
    this.#insertAccess.run(hash, user, device, created, expires ?? null, refresh ?? null);
  }

  removeAccess(hash: TokenHash): void {
    this.#removeAccess.run(hash);
  }

  refresh(hash: TokenHash): RefreshTokenRow | undefined {
    return this.#refresh.get(hash);
  }

  insertRefresh(hash: TokenHash, user: UserNid, device: DeviceNid, created: number): void {
    this.#insertRefresh.run(hash, user, device, created);
  }

  setSuccessor(hash: TokenHash, successor: TokenHash): void {
    this.#setSuccessor.run(successor, hash);
  }

  /** The refresh token that was traded for this one and is still good because this one was not used yet. */
  predecessor(successor: TokenHash): TokenHash | undefined {
    return this.#predecessor.get(successor)?.hash;
  }

  /** Removes a refresh token and the access tokens that came with it. */
  removeRefresh(hash: TokenHash, device: DeviceNid): void {
    this.#removeRefresh.run(hash);
    this.#removeAccessOf.run(device, hash);
  }

  insertLogin(hash: TokenHash, user: UserNid, expires: number): void {
    this.#insertLogin.run(hash, user, expires);
  }

  /** Takes a login token out, so that it serves once only. */
  takeLogin(hash: TokenHash): { readonly user: UserNid; readonly expires: number } | undefined {
    const row = this.#login.get(hash);
    if (row) this.#removeLogin.run(hash);
    return row;
  }

  /** All of a user; they live for minutes, so there are few, which are found by their end. */
  removeLogins(user: UserNid): void {
    this.#removeLogins.run(user);
  }

  removeExpiredLogin(now: number): void {
    this.#removeExpiredLogin.run(now);
  }
}
