import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ScriptedServer } from '../support/federation/scripted-server.ts';
import { Universe } from '../support/servers/universe.ts';

const path = '/_matrix/client/unstable/hearth/public_rooms';
const settings = { federation_directory: { enabled: true, max_servers: 3, max_rooms: 250, interval: '1d' } };

/** A directory of so many rooms, read in pages. */
function publish(server: ScriptedServer, rooms: readonly { id: string; name: string; joined: number }[]): void {
  server.on('GET', '/_matrix/federation/v1/publicRooms', ({ query }) => {
    const from = Number(query.get('since') ?? '0');
    const to = from + Number(query.get('limit'));
    return {
      chunk: rooms.slice(from, to).map(({ id, name, joined }) => ({ room_id: id, name, num_joined_members: joined })),
      ...(to < rooms.length ? { next_batch: String(to) } : {}),
    };
  });
}

const some = (server: string, count: number) =>
  Array.from({ length: count }, (_, n) => ({ id: `!${n}:${server}`, name: `Room ${n} of ${server}`, joined: n }));

async function opened(more: Record<string, unknown> = {}) {
  const universe = await Universe.open(['a.test'], { ...settings, ...more });
  const token = await universe.world('a.test').register('alice');
  const known = async (name: string) => {
    const server = universe.script(name);
    await server.request('a.test', 'GET', '/_matrix/federation/v1/publicRooms');
    return server;
  };
  const crawl = async () => {
    const { directory } = universe.world('a.test').hs.services;
    let steps = 0;
    while (await directory.crawl.step()) steps++;
    return steps;
  };
  const page = async (query = '') => universe.world('a.test').call('GET', path + query, { token });
  const all = async (query = '') => {
    const rooms: { room_id: string; name?: string; servers: string[] }[] = [];
    for (let since = ''; ; ) {
      const { json } = await page(`?limit=40${query}${since}`);
      rooms.push(...json.chunk);
      if (json.next_batch === undefined) return rooms;
      since = `&since=${encodeURIComponent(json.next_batch as string)}`;
    }
  };
  return { universe, token, known, crawl, page, all, [Symbol.asyncDispose]: () => universe[Symbol.asyncDispose]() };
}

describe('one directory over all known servers', () => {
  it('holds the rooms of each server once, ours first, then the largest, and says who publishes them', async () => {
    await using at = await opened();
    const own = { name: 'Our own', visibility: 'public', preset: 'public_chat' };
    await at.universe.world('a.test').ok('POST', '/_matrix/client/v3/createRoom', at.token, own);
    publish(await at.known('b.test'), [...some('b.test', 120), { id: '!both:b.test', name: 'Both', joined: 500 }]);
    publish(await at.known('c.test'), [{ id: '!both:b.test', name: 'Both', joined: 499 }]);
    assert.equal(await at.crawl(), 3, 'two pages of one server, one of the other');
    const rooms = await at.all();
    assert.equal(rooms.length, 122);
    assert.deepEqual([rooms[0]?.name, rooms[0]?.servers], ['Our own', []]);
    assert.deepEqual([rooms[1]?.name, rooms[1]?.servers], ['Both', ['b.test', 'c.test']]);
    assert.equal(rooms[2]?.room_id, '!119:b.test');
    assert.equal(new Set(rooms.map((room) => room.room_id)).size, 122);
  });

  it('can be searched', async () => {
    await using at = await opened();
    publish(await at.known('b.test'), [...some('b.test', 50), { id: '!tea:b.test', name: 'TEA time', joined: 1 }]);
    await at.crawl();
    assert.deepEqual(
      (await at.all('&search=tea')).map((room) => room.room_id),
      ['!tea:b.test'],
    );
    assert.deepEqual(await at.all('&search=coffee'), []);
  });

  it('keeps no more servers and rooms than the admin allows', async () => {
    await using at = await opened();
    for (const name of ['b.test', 'c.test', 'd.test', 'e.test', 'f.test'])
      publish(await at.known(name), some(name, 400));
    await at.crawl();
    const { db } = at.universe.world('a.test').hs;
    const counts = db.prepare<[], number>('SELECT count(*) FROM listed_room GROUP BY server').pluck().all();
    assert.deepEqual(counts, [250, 250, 250]);
  });

  it('asks each server once in an interval, and drops what is no longer told', async () => {
    await using at = await opened();
    const server = await at.known('b.test');
    publish(server, some('b.test', 3));
    await at.crawl();
    publish(server, some('b.test', 2));
    assert.equal(await at.crawl(), 0, 'not its turn');
    assert.equal((await at.all()).length, 3);
    await at.universe.until(async () => {
      at.universe.clock.advance(10 * 60_000);
      return (await at.all()).length === 2;
    }, 'it is asked by itself a day later');
  });

  it('goes on in the middle of a directory after a restart', async () => {
    await using at = await opened();
    publish(await at.known('b.test'), some('b.test', 150));
    await at.universe.world('a.test').hs.services.directory.crawl.step();
    await at.universe.restart('a.test');
    assert.equal(await at.crawl(), 1);
    const pages = at.universe.calls.filter(({ to, uri }) => to === 'b.test' && uri.includes('publicRooms'));
    assert.deepEqual(
      pages.map(({ uri }) => new URL(uri, 'https://b.test').searchParams.get('since')),
      [null, '100'],
    );
    assert.equal((await at.all()).length, 150);
  });

  it('keeps what a server told before when it does not answer', async () => {
    await using at = await opened();
    publish(await at.known('b.test'), some('b.test', 3));
    await at.crawl();
    at.universe.cut('a.test', 'b.test');
    at.universe.clock.advance(25 * 3_600_000);
    assert.equal(await at.crawl(), 1, 'it is asked again');
    assert.equal((await at.all()).length, 3);
  });

  it('does not fall for a server that goes on for ever', async () => {
    await using at = await opened();
    const server = await at.known('b.test');
    server.on('GET', '/_matrix/federation/v1/publicRooms', () => ({
      chunk: [{ room_id: '!same:b.test', topic: 'x'.repeat(50_000) }],
      next_batch: 'again',
    }));
    assert.ok((await at.crawl()) <= 250);
    const rooms = await at.all();
    assert.equal(rooms.length, 1);
    assert.ok(JSON.stringify(rooms).length < 2000);
  });

  it('refuses tokens that are none, and strangers', async () => {
    await using at = await opened();
    for (const since of ['nonsense', 'k1', 'k1_2_nonsense', 'o', 'onsense']) {
      assert.equal((await at.page(`?since=${since}`)).json.errcode, 'M_INVALID_PARAM', since);
    }
    assert.equal((await at.universe.world('a.test').call('GET', path)).status, 401);
  });

  it('is not there unless the admin wants it, and nobody is asked', async () => {
    await using at = await opened({ federation_directory: { enabled: false } });
    publish(await at.known('b.test'), some('b.test', 3));
    assert.equal((await at.page()).status, 404);
    at.universe.clock.advance(25 * 3_600_000);
    assert.equal(at.universe.calls.filter(({ to, uri }) => to === 'b.test' && uri.includes('publicRooms')).length, 0);
  });
});
