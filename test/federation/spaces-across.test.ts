import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { notFound } from '../../src/protocol/errors.ts';
import { signEvent } from '../../src/protocol/events/build.ts';
import type { JsonObject } from '../../src/util/json.ts';
import { rulesOf, type ScriptedServer } from '../support/federation/scripted-server.ts';
import { Universe } from '../support/servers/universe.ts';

const v1 = '/_matrix/client/v1';
const v3 = '/_matrix/client/v3';
const encoded = encodeURIComponent;

describe('spaces across servers', () => {
  let universe: Universe;
  let evil: ScriptedServer;
  let alice: string;
  let bob: string;
  let space: string;
  let open: string;
  let closed: string;
  let restricted: string;

  const create = async (body: JsonObject) =>
    (await universe.world('a.test').ok('POST', `${v3}/createRoom`, alice, body)).room_id as string;
  const state = (room: string, type: string, key: string, content: JsonObject) =>
    universe.world('a.test').ok('PUT', `${v3}/rooms/${encoded(room)}/state/${type}/${encoded(key)}`, alice, content);
  const asServer = (room: string, query = '') =>
    evil.request('a.test', 'GET', `/_matrix/federation/v1/hierarchy/${encoded(room)}${query}`);
  const asBob = (path: string) => universe.world('b.test').call('GET', path, { token: bob });
  const hierarchy = (room: string, query = '') => asBob(`${v1}/rooms/${encoded(room)}/hierarchy${query}`);
  const ids = (rooms: JsonObject[]) => rooms.map(({ room_id: id }) => id);

  before(async () => {
    universe = await Universe.open(['a.test', 'b.test']);
    evil = universe.script('evil.test');
    alice = await universe.world('a.test').register('alice');
    bob = await universe.world('b.test').register('bob');
    const asSpace = { preset: 'public_chat', creation_content: { type: 'm.space' } };
    space = await create({ ...asSpace, name: 'Space', room_alias_name: 'space' });
    open = await create({ preset: 'public_chat', name: 'Open' });
    closed = await create({ preset: 'private_chat', name: 'Closed' });
    const allow = [{ type: 'm.room_membership', room_id: closed }];
    const rules = { type: 'm.room.join_rules', state_key: '', content: { join_rule: 'restricted', allow } };
    restricted = await create({ name: 'Restricted', initial_state: [rules] });
    for (const [order, child] of [open, closed, restricted, '!unknown:c.test'].entries()) {
      await state(space, 'm.space.child', child, { via: ['a.test'], order: `${order}`, suggested: child === open });
    }
  });
  after(() => universe[Symbol.asyncDispose]());

  it('GET /hierarchy tells a server of the space, what it could get into, and what not', async () => {
    const { json } = await asServer(space);
    assert.deepEqual(ids([json.room]), [space]);
    assert.deepEqual(
      json.room.children_state.map((child: JsonObject) => child['state_key']),
      [open, closed, restricted, '!unknown:c.test'],
    );
    assert.deepEqual(ids(json.children), [open]);
    assert.deepEqual(json.inaccessible_children, [closed, restricted]);
    assert.equal(typeof json.room.children_state[0].origin_server_ts, 'number');
  });

  it('can be asked for suggested rooms only', async () => {
    const { json } = await asServer(space, '?suggested_only=true');
    assert.deepEqual([ids(json.children), json.inaccessible_children], [[open], []]);
    assert.equal((await asServer(space, '?suggested_only=perhaps')).status, 400);
  });

  it('is 404 for what is unknown, closed to that server, or forbidden to it by the ACL', async () => {
    const banning = await create({ preset: 'public_chat' });
    await state(banning, 'm.room.server_acl', '', { allow: ['*'], deny: ['evil.test'] });
    for (const room of ['!unknown:a.test', closed, restricted, banning, 'nonsense']) {
      const { status, json } = await asServer(room);
      assert.deepEqual([status, json.errcode], [404, 'M_NOT_FOUND'], room);
    }
  });

  it('tells a server of a closed room once somebody there is invited', async () => {
    evil.on('PUT', '/_matrix/federation/v2/invite/{}/{}', ({ body }) => ({
      event: signEvent(body.event, rulesOf('12'), { serverName: evil.name, key: evil.key }) as unknown as JsonObject,
    }));
    const party = await create({ preset: 'private_chat', name: 'Party' });
    assert.equal((await asServer(party)).status, 404);
    const path = `${v3}/rooms/${encoded(party)}/invite`;
    await universe.world('a.test').ok('POST', path, alice, { user_id: '@guest:evil.test' });
    assert.equal((await asServer(party)).json.room.name, 'Party');
  });

  it('GET /rooms/{roomId}/hierarchy walks on into rooms that only other servers know', async () => {
    const own = (
      await universe.world('b.test').ok('POST', `${v3}/createRoom`, bob, {
        creation_content: { type: 'm.space' },
        name: 'Mine',
      })
    ).room_id as string;
    const put = (child: string, via: string) =>
      universe
        .world('b.test')
        .ok('PUT', `${v3}/rooms/${encoded(own)}/state/m.space.child/${encoded(child)}`, bob, { via: [via] });
    await put(space, 'a.test');
    const { json } = await hierarchy(own);
    assert.deepEqual(ids(json.rooms), [own, space, open]);
    assert.equal(json.rooms[1].children_state.length, 4);
    const paged: string[] = [];
    let from = '';
    for (let page = 0; page < 10; page++) {
      const one = (await hierarchy(own, `?limit=1${from}`)).json;
      paged.push(...(ids(one.rooms) as string[]));
      if (one.next_batch === undefined) break;
      from = `&from=${encoded(one.next_batch as string)}`;
    }
    assert.deepEqual(paged, [own, space, open]);
    assert.deepEqual(ids((await hierarchy(own, '?max_depth=1')).json.rooms), [own, space]);
  });

  it('GET /room_summary asks the servers in via, and those behind an alias', async () => {
    const summary = (room: string, query = '') => asBob(`${v1}/room_summary/${encoded(room)}${query}`);
    assert.deepEqual((await summary('#space:a.test')).json.name, 'Space');
    assert.equal((await summary(open)).status, 404, 'nobody to ask');
    // That nobody knew the room is remembered for a minute.
    universe.clock.advance(61_000);
    const { json } = await summary(open, '?via=nonsense%20&via=a.test');
    assert.deepEqual([json.name, json.membership, json.join_rule], ['Open', 'leave', 'public']);
    assert.equal((await summary(closed, '?via=a.test')).status, 404);
    assert.equal(
      (await universe.world('b.test').call('GET', `${v1}/room_summary/${encoded(open)}?via=a.test`)).status,
      200,
    );
  });

  it('does not believe a server that answers for another room, or invents children', async () => {
    const summaryOf = (id: string) => asBob(`${v1}/room_summary/${encoded(id)}?via=evil.test`);
    evil.on('GET', '/_matrix/federation/v1/hierarchy/{}', () => ({
      room: { room_id: '!other:evil.test', name: 'Other' },
    }));
    assert.equal((await summaryOf('!lies:evil.test')).status, 404);
    evil.on('GET', '/_matrix/federation/v1/hierarchy/{}', () => {
      throw notFound('no');
    });
    assert.equal((await summaryOf('!none:evil.test')).status, 404);
    evil.on('GET', '/_matrix/federation/v1/hierarchy/{}', () => ({ room: 'nonsense', children: 7 }));
    assert.equal((await summaryOf('!nonsense:evil.test')).status, 404);
  });

  it('ends in bounded time where a hostile space has no end', async () => {
    let asked = 0;
    evil.on('GET', '/_matrix/federation/v1/hierarchy/{}', ({ params }) => {
      asked++;
      const child = (n: number) => ({
        type: 'm.space.child',
        state_key: `!${asked}-${n}:evil.test`,
        sender: '@x:evil.test',
        origin_server_ts: n,
        content: { via: ['evil.test'] },
      });
      return {
        room: {
          room_id: params[0] ?? '',
          room_type: 'm.space',
          join_rule: 'public',
          children_state: Array.from({ length: 2000 }, (_, n) => child(n)),
        },
        children: [],
        inaccessible_children: [],
      };
    });
    await asBob(`${v1}/room_summary/${encoded('!trap:evil.test')}?via=evil.test`);
    const first = (await hierarchy('!trap:evil.test', '?limit=100')).json;
    assert.ok(asked <= 21, `${asked} questions for one page`);
    assert.ok(first.rooms.length > 0 && first.rooms.length <= 21);
    assert.equal(first.rooms[0].children_state.length, 1000);
    assert.equal(typeof first.next_batch, 'string');
  });
});

describe('GET /rooms/{roomId}/complexity', () => {
  it('tells of open rooms how large they are, under both paths', async () => {
    await using universe = await Universe.open(['a.test']);
    const evil = universe.script('evil.test');
    const token = await universe.world('a.test').register('alice');
    const create = async (preset: string) =>
      (await universe.world('a.test').ok('POST', `${v3}/createRoom`, token, { preset })).room_id as string;
    const [open, closed] = [await create('public_chat'), await create('private_chat')];
    for (const version of ['unstable', 'v1']) {
      const ask = (room: string) =>
        evil.request('a.test', 'GET', `/_matrix/federation/${version}/rooms/${encoded(room)}/complexity`);
      const { json } = await ask(open);
      assert.equal(json.v1, Math.round((json.hearth.state_events / 500) * 100) / 100);
      assert.deepEqual([json.hearth.members, json.hearth.servers], [1, 1]);
      assert.equal((await ask(closed)).status, 404);
      assert.equal((await ask('!unknown:a.test')).status, 404);
    }
  });
});
