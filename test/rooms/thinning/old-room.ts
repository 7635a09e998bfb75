import assert from 'node:assert/strict';
import { asRoomId } from '../../../src/protocol/ids/room-id.ts';
import { checkConsistency } from '../../../src/store/check.ts';
import type { Thinned } from '../../../src/store/thinning/thinning-jobs.ts';
import { millis } from '../../../src/util/brand.ts';
import type { World } from '../../support/servers/world.ts';

export const day = 24 * 60 * 60_000;
export const enc = encodeURIComponent;
const client = '/_matrix/client/v3';

/** Somebody with an account. */
export class Account {
  readonly world: World;
  readonly token: string;
  readonly userId: string;
  #txn = 0;

  private constructor(world: World, name: string, token: string) {
    this.world = world;
    this.token = token;
    this.userId = `@${name}:${world.name}`;
  }

  static async of(world: World, name: string): Promise<Account> {
    return new Account(world, name, await world.register(name));
  }

  ok(method: string, path: string, body?: unknown) {
    return this.world.ok(method, path.startsWith('/_matrix') ? path : client + path, this.token, body);
  }

  call(method: string, path: string, body?: unknown) {
    return this.world.call(method, path.startsWith('/_matrix') ? path : client + path, { token: this.token, body });
  }

  async send(room: string, type: string, content: unknown): Promise<string> {
    const path = `/rooms/${enc(room)}/send/${type}/${this.#txn++}`;
    return (await this.ok('PUT', path, content)).event_id as string;
  }

  say(room: string, body: string, relates?: unknown): Promise<string> {
    const content = { msgtype: 'm.text', body, ...(relates === undefined ? {} : { 'm.relates_to': relates }) };
    return this.send(room, 'm.room.message', content);
  }

  async set(room: string, type: string, content: unknown, key = ''): Promise<string> {
    return (await this.ok('PUT', `/rooms/${enc(room)}/state/${type}/${enc(key)}`, content)).event_id as string;
  }

  async redact(room: string, event: string): Promise<string> {
    return (await this.ok('PUT', `/rooms/${enc(room)}/redact/${enc(event)}/${this.#txn++}`, {})).event_id as string;
  }

  /** Everything that `/messages` shows, in the direction of reading. */
  async all(room: string, dir: 'b' | 'f' = 'b', from?: string): Promise<string[]> {
    const found: string[] = [];
    let at = from;
    for (let page = 0; page < 100; page++) {
      const query = `dir=${dir}&limit=7${at === undefined ? '' : `&from=${at}`}`;
      const { chunk, end } = await this.ok('GET', `/rooms/${enc(room)}/messages?${query}`);
      found.push(...(chunk as { event_id: string }[]).map(({ event_id: id }) => id));
      if (end === undefined) return found;
      at = end as string;
    }
    assert.fail('/messages has no end');
  }
}

/** What has come by now counts as old after so many days, in the last two of which the server was on. */
export function pass(world: World, days: number): void {
  const { thinning } = world.hs.services.rooms;
  thinning.mark();
  world.clock.set(world.clock.now() + (days - 2) * day);
  thinning.mark();
  world.clock.set(world.clock.now() + 2 * day);
}

/** Deletes what is older than some days, and looks after each slice whether all is right. */
export async function thin(world: World, room: string, days: number): Promise<Thinned> {
  const thinned = await world.hs.services.rooms.thinning.thin(asRoomId(room), millis(days * day));
  assert.ok(thinned, 'the history can be deleted');
  assert.deepEqual(checkConsistency(world.hs.db, world.name), []);
  return thinned;
}
