import type { Database } from '../db.ts';
import type { DeviceNid, StreamPos, UserNid } from '../nids.ts';

export type PusherKind = 'http' | 'email';

const kinds: readonly PusherKind[] = ['http', 'email'];

/** What a client says of a pusher. */
export interface PusherSettings {
  readonly kind: PusherKind;
  readonly appId: string;
  readonly pushkey: string;
  readonly appDisplayName: string;
  readonly deviceDisplayName: string;
  readonly profileTag: string | null;
  readonly lang: string;
  /** A JSON object. */
  readonly data: string;
  readonly enabled: boolean;
}

export interface Pusher extends PusherSettings {
  readonly nid: number;
  readonly user: UserNid;
  readonly device: DeviceNid;
  /** When a client set it last, milliseconds since the epoch. */
  readonly updated: number;
  /** What notifies up to this position has been told, or need not be. */
  readonly cursor: StreamPos;
  /** The unread count that was told last. */
  readonly badge: number | null;
  /** Failed requests since the last that did not. */
  readonly failures: number;
}

interface StoredPusher extends Omit<Pusher, 'enabled' | 'kind'> {
  readonly kind: number;
  readonly enabled: 0 | 1;
}

/**
 * Pushers and how far each has come. One is idle, ready for a request, or waits after a failure; counts that change
 * make idle ones ready (see `PushCountStore`). Writing methods belong inside a write.
 */
export class PusherStore {
  readonly #row;
  readonly #ofUser;
  readonly #find;
  readonly #insert;
  readonly #update;
  readonly #remove;
  readonly #removeOf;
  readonly #removeOthers;
  readonly #removeOfDevice;
  readonly #ready;
  readonly #told;
  readonly #makeIdle;
  readonly #wait;
  readonly #due;
  readonly #beyond;
  readonly #nextRetry;

  constructor(db: Database) {
    const columns =
      'nid, user, device, app_id AS appId, pushkey, app_display_name AS appDisplayName,' +
      ' device_display_name AS deviceDisplayName, profile_tag AS profileTag, lang, data, enabled, updated, cursor,' +
      ' badge, failures, kind';
    this.#row = db.prepare<[nid: number], StoredPusher>(`SELECT ${columns} FROM pusher WHERE nid = ?`);
    this.#ofUser = db.prepare<[user: number], StoredPusher>(
      `SELECT ${columns} FROM pusher WHERE user = ? ORDER BY nid`,
    );
    this.#find = db.prepare<[appId: string, pushkey: string, user: number], StoredPusher>(
      `SELECT ${columns} FROM pusher WHERE app_id = ? AND pushkey = ? AND user = ?`,
    );
    this.#insert = db.prepare<(string | number | null)[], never>(
      'INSERT INTO pusher (app_id, pushkey, app_display_name, device_display_name, profile_tag, lang, data, enabled,' +
        ' kind, device, updated, user, cursor) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    );
    this.#update = db.prepare<(string | number | null)[], never>(
      'UPDATE pusher SET app_display_name = ?, device_display_name = ?, profile_tag = ?, lang = ?, data = ?,' +
        ' enabled = ?, kind = ?, device = ?, updated = ?, cursor = ?, ready = ?, retry_at = NULL, failures = 0 WHERE nid = ?',
    );
    this.#remove = db.prepare<[nid: number], never>('DELETE FROM pusher WHERE nid = ?');
    this.#removeOf = db.prepare<[appId: string, pushkey: string, user: number], never>(
      'DELETE FROM pusher WHERE app_id = ? AND pushkey = ? AND user = ?',
    );
    this.#removeOthers = db.prepare<[appId: string, pushkey: string, user: number], never>(
      'DELETE FROM pusher WHERE app_id = ? AND pushkey = ? AND user <> ?',
    );
    this.#removeOfDevice = db.prepare<[device: number], never>('DELETE FROM pusher WHERE device = ?');
    this.#ready = db
      .remember<[limit: number], number>('SELECT nid FROM pusher WHERE ready IS NOT NULL ORDER BY ready LIMIT ?')
      .pluck();
    this.#told = db.prepare<[cursor: number, badge: number, ready: number, nid: number], never>(
      'UPDATE pusher SET cursor = ?, badge = ?, ready = ?, failures = 0 WHERE nid = ?',
    );
    this.#makeIdle = db.prepare<[cursor: number, nid: number], never>(
      'UPDATE pusher SET cursor = ?, ready = NULL WHERE nid = ?',
    );
    this.#wait = db.prepare<[failures: number, retryAt: number, nid: number], never>(
      'UPDATE pusher SET failures = ?, retry_at = ?, ready = NULL WHERE nid = ?',
    );
    this.#due = db.prepare<[ready: number, now: number], never>(
      'UPDATE pusher SET ready = ?, retry_at = NULL WHERE retry_at <= ?',
    );
    this.#beyond = db.prepare<[ready: number, latest: number], never>(
      'UPDATE pusher SET ready = ?, retry_at = NULL WHERE retry_at > ?',
    );
    this.#nextRetry = db
      .prepare<[], number>('SELECT retry_at FROM pusher WHERE retry_at IS NOT NULL ORDER BY retry_at LIMIT 1')
      .pluck();
  }

  get(nid: number): Pusher | undefined {
    return read(this.#row.get(nid));
  }

  find(user: UserNid, appId: string, pushkey: string): Pusher | undefined {
    return read(this.#find.get(appId, pushkey, user));
  }

  /** In the order in which they were made. */
  ofUser(user: UserNid): Pusher[] {
    return this.#ofUser.all(user).map((row) => read(row) as Pusher);
  }

  /** A new pusher tells what happens after `now`. */
  insert(user: UserNid, device: DeviceNid, settings: PusherSettings, at: { now: StreamPos; ts: number }): void {
    const { appId, pushkey } = settings;
    this.#insert.run(appId, pushkey, ...said(settings), device, at.ts, user, at.now);
  }

  /** Sets an existing one anew; it is tried again at once, from `cursor` on. */
  update(
    nid: number,
    device: DeviceNid,
    settings: PusherSettings,
    at: { cursor: StreamPos; now: StreamPos; ts: number },
  ): void {
    const ready = settings.enabled ? at.now : null;
    this.#update.run(...said(settings), device, at.ts, at.cursor, ready, nid);
  }

  remove(nid: number): void {
    this.#remove.run(nid);
  }

  removeOf(user: UserNid, appId: string, pushkey: string): void {
    this.#removeOf.run(appId, pushkey, user);
  }

  /** Removes those that other users have with the same key of the same app. */
  removeOthers(user: UserNid, appId: string, pushkey: string): void {
    this.#removeOthers.run(appId, pushkey, user);
  }

  removeOfDevice(device: DeviceNid): void {
    this.#removeOfDevice.run(device);
  }

  /** Those that are ready, whoever has waited longest first. */
  ready(limit: number): readonly number[] {
    return this.#ready.all(limit);
  }

  /** Everything up to `cursor` is told, with this unread count; it gets in line again at `now`. */
  told(nid: number, cursor: StreamPos, badge: number, now: StreamPos): void {
    this.#told.run(cursor, badge, now, nid);
  }

  /** There is nothing to tell up to `cursor`. */
  makeIdle(nid: number, cursor: StreamPos): void {
    this.#makeIdle.run(cursor, nid);
  }

  /** Not again before `retryAt`, milliseconds since the epoch. */
  wait(nid: number, failures: number, retryAt: number): void {
    this.#wait.run(failures, retryAt, nid);
  }

  /**
   * Makes those ready whose time has come; also those that wait for longer than `latest`, as the clock must have been
   * set back since.
   */
  endWaits(now: StreamPos, due: number, latest: number): void {
    this.#due.run(now, due);
    this.#beyond.run(now, latest);
  }

  /** When the first wait ends, milliseconds since the epoch. */
  nextRetry(): number | undefined {
    return this.#nextRetry.get();
  }
}

function said({ appDisplayName, deviceDisplayName, profileTag, lang, data, enabled, kind }: PusherSettings) {
  return [appDisplayName, deviceDisplayName, profileTag, lang, data, enabled ? 1 : 0, kinds.indexOf(kind)] as const;
}

function read(row: StoredPusher | undefined): Pusher | undefined {
  return row && { ...row, enabled: row.enabled === 1, kind: kinds[row.kind] as PusherKind };
}
