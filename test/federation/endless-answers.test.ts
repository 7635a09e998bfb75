import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import type { Reply } from '../../src/api/http/types.ts';
import { ScriptedRoom } from '../support/federation/scripted-room.ts';
import type { ScriptedServer } from '../support/federation/scripted-server.ts';
import { Universe } from '../support/servers/universe.ts';
import { Guest } from './joining/joining-world.ts';

const mebi = 1024 * 1024;
const piece = Buffer.from(`"${'x'.repeat(64 * 1024 - 3)}",`);
const enc = encodeURIComponent;
const fed = '/_matrix/federation/v1';

/** What was read of answers without an end, by path. */
class Endless {
  readonly read = new Map<string, number>();

  /** Answers a call with JSON that never ends; what it gives is counted as it is taken. */
  on(server: ServerLike, method: string, path: string): void {
    server.on(method, path, () => this.#reply(path));
  }

  #reply(path: string): Reply {
    const { read } = this;
    async function* body(): AsyncGenerator<Buffer> {
      yield Buffer.from('{"pdus":[');
      while (true) {
        const before = read.get(path) ?? 0;
        // Whoever reads so far reads for ever.
        if (before > 400 * mebi) throw new Error('it was read for ever');
        read.set(path, before + piece.length);
        yield piece;
      }
    }
    return { status: 200, headers: { 'Content-Type': 'application/json' }, body: Readable.from(body()) };
  }
}

type ServerLike = Pick<ScriptedServer, 'on'>;

interface Scene {
  readonly universe: Universe;
  readonly alice: Guest;
  readonly room: ScriptedRoom;
}

const bob = '@bob:b.test';
const table: readonly (readonly [
  what: string,
  method: string,
  path: string,
  most: number,
  act: (scene: Scene) => Promise<unknown>,
])[] = [
  ['a profile', 'GET', `${fed}/query/profile`, 1, ({ alice }) => alice.call('GET', `/profile/${enc(bob)}`)],
  ['an alias', 'GET', `${fed}/query/directory`, 1, ({ alice }) => alice.call('GET', `/directory/room/${enc('#x:b.test')}`)],
  ['a room directory', 'GET', `${fed}/publicRooms`, 8, ({ alice }) => alice.call('GET', '/publicRooms?server=b.test')],
  ['device keys', 'POST', `${fed}/user/keys/query`, 16, ({ alice }) => alice.call('POST', '/keys/query', { device_keys: { [bob]: [] } })],
  ['one-time keys', 'POST', `${fed}/user/keys/claim`, 16, ({ alice }) => alice.call('POST', '/keys/claim', { one_time_keys: { [bob]: { D: 'signed_curve25519' } } })],
  ['the template of a join', 'GET', `${fed}/make_join/{}/{}`, 1, ({ alice }) => alice.call('POST', `/join/${enc('!other:b.test')}?via=b.test`, {})],
  ['the template of a knock', 'GET', `${fed}/make_knock/{}/{}`, 1, ({ alice }) => alice.call('POST', `/knock/${enc('!other:b.test')}?via=b.test`, {})],
  ['a room summary', 'GET', `${fed}/hierarchy/{}`, 8, ({ alice }) => alice.call('GET', `/room_summary/${enc('!other:b.test')}?via=b.test`, undefined, 'v1')],
  ['history', 'GET', `${fed}/backfill/{}`, 16, ({ alice, room }) => alice.call('GET', `/rooms/${enc(room.roomId)}/messages?dir=b&limit=50`)],
  ['an event', 'GET', `${fed}/event/{}`, 4, ({ alice, room }) => alice.call('GET', `/rooms/${enc(room.roomId)}/event/${enc(`$${'x'.repeat(43)}`)}`)],
  ['the event at a time', 'GET', `${fed}/timestamp_to_event/{}`, 1, ({ alice, room }) => alice.call('GET', `/rooms/${enc(room.roomId)}/timestamp_to_event?dir=b&ts=1`, undefined, 'v1')],
  ['an invite that it signs', 'PUT', '/_matrix/federation/v2/invite/{}/{}', 1, ({ alice, room }) => alice.call('POST', `/rooms/${enc(room.roomId)}/invite`, { user_id: bob })],
  ['what became of a transaction', 'PUT', `${fed}/send/{}`, 1, async ({ alice, room, universe }) => { await alice.say(room.roomId, 'hello'); universe.clock.advance(600_000); }],
]; // biome-ignore format: a table

describe('an answer without an end', () => {
  for (const [what, method, path, most, act] of table) {
    it(`of a server that is asked for ${what} is read up to ${most} MiB`, async () => {
      await using universe = await Universe.open(['a.test']);
      const server = universe.script('b.test');
      const room = ScriptedRoom.create(server, '11').serve();
      for (let n = 0; n < 3; n++) room.add({ type: 'm.room.message', content: { body: `${n}` } });
      const alice = await Guest.register(universe.world('a.test'), 'alice');
      assert.equal((await alice.join(room.roomId, ['b.test'])).status, 200);
      const endless = new Endless();
      endless.on(server, method, path);
      const acting = act({ universe, alice, room });
      await universe.until(() => (endless.read.get(path) ?? 0) > 0, `${what} is asked for`);
      await acting;
      const read = () => endless.read.get(path) ?? 0;
      let before = -1;
      await universe.until(async () => {
        const isOver = read() === before;
        before = read();
        for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
        return isOver;
      });
      assert.ok(read() <= most * mebi + 4 * piece.length, `${read()} bytes were read`);
    });
  }
});
