import type { DeviceId } from '../../protocol/ids/types.ts';
import type { Database } from '../db.ts';
import type { DeviceNid, UserNid } from '../nids.ts';

export interface DeviceRow {
  readonly nid: DeviceNid;
  readonly user: UserNid;
  readonly deviceId: DeviceId;
  readonly displayName: string | null;
  /** Milliseconds since the epoch. */
  readonly created: number;
  readonly seenTs: number | null;
  readonly seenIp: string | null;
  readonly seenAgent: string | null;
}

/** A device that does not exist, for what the server does by itself: no transaction ID is ever its own. */
export const noDevice = 0 as DeviceNid;

const columns =
  'nid, user, device_id AS deviceId, display_name AS displayName, created,' +
  ' seen_ts AS seenTs, seen_ip AS seenIp, seen_agent AS seenAgent';

/** The devices of local users. Removing one removes its tokens. */
export class DeviceStore {
  readonly #find;
  readonly #row;
  readonly #list;
  readonly #insert;
  readonly #rename;
  readonly #seen;
  readonly #remove;
  readonly #removeAccess;
  readonly #removeRefresh;

  constructor(db: Database) {
    this.#find = db.prepare<[user: number, deviceId: string], DeviceRow>(
      `SELECT ${columns} FROM device WHERE user = ? AND device_id = ?`,
    );
    this.#row = db.prepare<[nid: number], DeviceRow>(`SELECT ${columns} FROM device WHERE nid = ?`);
    this.#list = db.prepare<[user: number], DeviceRow>(
      `SELECT ${columns} FROM device WHERE user = ? ORDER BY device_id`,
    );
    this.#insert = db.prepare<[number, string, string | null, number]>(
      'INSERT INTO device (user, device_id, display_name, created) VALUES (?, ?, ?, ?)',
    );
    this.#rename = db.prepare<[string | null, number]>('UPDATE device SET display_name = ? WHERE nid = ?');
    this.#seen = db.prepare<[number, string, string | null, number]>(
      'UPDATE device SET seen_ts = ?, seen_ip = ?, seen_agent = ? WHERE nid = ?',
    );
    this.#remove = db.prepare<[nid: number]>('DELETE FROM device WHERE nid = ?');
    this.#removeAccess = db.prepare<[nid: number]>('DELETE FROM access_token WHERE device = ?');
    this.#removeRefresh = db.prepare<[nid: number]>('DELETE FROM refresh_token WHERE device = ?');
  }

  find(user: UserNid, deviceId: string): DeviceRow | undefined {
    return this.#find.get(user, deviceId);
  }

  row(device: DeviceNid): DeviceRow | undefined {
    return this.#row.get(device);
  }

  /** By device ID. */
  list(user: UserNid): DeviceRow[] {
    return this.#list.all(user);
  }

  insert(user: UserNid, deviceId: DeviceId, displayName: string | undefined, created: number): DeviceNid {
    return this.#insert.run(user, deviceId, displayName ?? null, created).lastInsertRowid as DeviceNid;
  }

  rename(device: DeviceNid, displayName: string | undefined): void {
    this.#rename.run(displayName ?? null, device);
  }

  seen(device: DeviceNid, ts: number, ip: string, agent: string | undefined): void {
    this.#seen.run(ts, ip, agent ?? null, device);
  }

  removeTokens(device: DeviceNid): void {
    this.#removeAccess.run(device);
    this.#removeRefresh.run(device);
  }

  remove(device: DeviceNid): void {
    this.removeTokens(device);
    this.#remove.run(device);
  }
}
