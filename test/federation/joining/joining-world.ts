import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { World } from '../../support/servers/world.ts';

/** Somebody on one of the servers. */
export class Guest {
  readonly userId: string;
  readonly #world: World;
  readonly #token: string;

  private constructor(world: World, userId: string, token: string) {
    this.#world = world;
    this.userId = userId;
    this.#token = token;
  }

  static async register(world: World, name: string): Promise<Guest> {
    return new Guest(world, `@${name}:${world.name}`, await world.register(name));
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- answers of every form
  async call(method: string, path: string, body?: unknown, version = 'v3'): Promise<{ status: number; json: any }> {
    const { status, json } = await this.#world.call(method, `/_matrix/client/${version}${path}`, {
      token: this.#token,
      ...(body === undefined ? {} : { body }),
    });
    return { status, json };
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- answers of every form
  async ok(method: string, path: string, body?: unknown): Promise<any> {
    const { status, json } = await this.call(method, path, body);
    assert.equal(status, 200, JSON.stringify(json));
    return json;
  }

  join(room: string, via: readonly string[] = []) {
    const query = via.map((server) => `via=${encodeURIComponent(server)}`).join('&');
    return this.call('POST', `/join/${encodeURIComponent(room)}?${query}`, {});
  }

  knock(room: string, via: readonly string[] = []) {
    const query = via.map((server) => `via=${encodeURIComponent(server)}`).join('&');
    return this.call('POST', `/knock/${encodeURIComponent(room)}?${query}`, { reason: 'please' });
  }

  leave(room: string) {
    return this.call('POST', `/rooms/${encodeURIComponent(room)}/leave`, {});
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- answers of every form
  sync(since?: string, query = ''): Promise<any> {
    return this.ok('GET', `/sync?timeout=0${query}${since === undefined ? '' : `&since=${since}`}`);
  }

  async createRoom(options: Record<string, unknown> = {}): Promise<string> {
    return (await this.ok('POST', '/createRoom', options)).room_id;
  }

  #txn = 0;
  async say(room: string, body: string): Promise<string> {
    const path = `/rooms/${encodeURIComponent(room)}/send/m.room.message/${this.userId}${this.#txn++}`;
    return (await this.ok('PUT', path, { msgtype: 'm.text', body })).event_id;
  }
}

/** No join is under way, and none has left anything that only a join needs. */
export function nothingIsLeft(world: World): void {
  assert.deepEqual([...world.hs.stores.stateImports.pending()], []);
  const spool = join(world.dataDir, 'spool');
  assert.deepEqual(existsSync(spool) ? readdirSync(spool) : [], []);
}

/** Nothing at all is known of a room. */
export function isUnknown(world: World, roomId: string): void {
  nothingIsLeft(world);
  const { interning, roomState } = world.hs.stores;
  const nid = interning.findRoom(roomId);
  if (nid === undefined) return;
  assert.equal(roomState.info(nid), undefined);
  const count = (table: string) =>
    world.hs.db.prepare<[number], number>(`SELECT count(*) FROM ${table} WHERE room = ?`).pluck().get(nid);
  for (const table of ['event', 'line', 'current_state', 'member', 'room_server', 'room_line', 'segment']) {
    assert.equal(count(table), 0, `${table} is empty`);
  }
}
