import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asUserId } from '../../../src/protocol/ids/user-id.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { World } from '../../support/servers/world.ts';

const client = '/_matrix/client/v3';

/** A world with people in it, each with an access token. */
async function worldOf<Name extends string>(...names: Name[]): Promise<{ world: World; tokens: Record<Name, string> }> {
  const world = await World.open();
  const tokens = {} as Record<Name, string>;
  for (const name of names) tokens[name] = await world.register(name);
  return { world, tokens };
}

/** Makes a room; answers its path below `/_matrix/client/v3`. */
async function newRoom(world: World, token: string, options: JsonObject): Promise<string> {
  const { room_id: roomId } = await world.ok('POST', `${client}/createRoom`, token, options);
  return `${client}/rooms/${encodeURIComponent(roomId)}`;
}

describe('member events that clients write themselves', () => {
  it('have a user ID for a state key', async () => {
    const { world, tokens } = await worldOf('alice');
    await using _ = world;
    const room = await newRoom(world, tokens.alice, {});
    const cases = ['', 'foo', '@', '@x', 'alice:localhost', '@a:b c'].flatMap((stateKey) =>
      ['join', 'invite', 'leave', 'ban', 'knock'].map((membership) => [stateKey, membership] as const),
    );
    for (const [stateKey, membership] of cases) {
      const path = `${room}/state/m.room.member/${encodeURIComponent(stateKey)}`;
      const answer = await world.call('PUT', path, { token: tokens.alice, body: { membership } });
      assert.equal(answer.status, 400, `${membership} of "${stateKey}": ${answer.text}`);
      assert.equal(answer.json.errcode, 'M_INVALID_PARAM');
    }
    const { chunk } = await world.ok('GET', `${room}/members`, tokens.alice);
    assert.equal(chunk.length, 1, 'nothing has changed');
  });
});

describe('events that clients send', () => {
  it('can be read and redacted however deeply their content is nested, or are refused', async () => {
    const { world, tokens } = await worldOf('alice');
    await using _ = world;
    const room = await newRoom(world, tokens.alice, {});
    for (const [levels, status] of [
      [996, 200],
      [997, 200],
      [998, 400],
      [1000, 400],
      [1001, 400],
    ] as const) {
      const body = `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
      const sent = await world.call('PUT', `${room}/send/deep/${levels}`, { token: tokens.alice, body });
      assert.equal(sent.status, status, `${levels}: ${sent.text}`);
      const set = await world.call('PUT', `${room}/state/deep/${levels}`, { token: tokens.alice, body });
      assert.equal(set.status, status, `${levels}: ${set.text}`);
      if (status !== 200) continue;
      for (const { event_id: eventId } of [sent.json, set.json]) {
        await world.ok('GET', `${room}/event/${eventId}`, tokens.alice);
        await world.ok('PUT', `${room}/redact/${eventId}/1`, tokens.alice, {});
      }
    }
  });

  it('do not shut this server out of the room', async () => {
    const { world, tokens } = await worldOf('alice');
    await using _ = world;
    const room = await newRoom(world, tokens.alice, {});
    for (const [acl, status] of [
      [{}, 400],
      [{ allow: [] }, 400],
      [{ allow: ['elsewhere.test'] }, 400],
      [{ allow: ['*'], deny: ['local*'] }, 400],
      [{ allow: ['*'], deny: ['elsewhere.test'] }, 200],
    ] as const) {
      const answer = await world.call('PUT', `${room}/state/m.room.server_acl`, { token: tokens.alice, body: acl });
      assert.equal(answer.status, status, `${JSON.stringify(acl)}: ${answer.text}`);
    }
  });
});

describe('a suspended account', () => {
  it('can read, leave and redact what it said, and changes nothing else in rooms or the directory', async () => {
    const { world, tokens } = await worldOf('alice', 'bob');
    await using _ = world;
    const own = await newRoom(world, tokens.bob, { preset: 'public_chat', room_alias_name: 'bobs' });
    const other = await newRoom(world, tokens.alice, { preset: 'public_chat' });
    const said = await world.ok('PUT', `${own}/send/x/1`, tokens.bob, {});
    await world.ok('POST', `${own}/join`, tokens.alice, {});
    const theirs = await world.ok('PUT', `${own}/send/x/1`, tokens.alice, {});
    await world.hs.services.accounts.setSuspended(asUserId('@bob:localhost'), true);
    const list = own.replace('/rooms/', '/directory/list/room/');
    const roomId = decodeURIComponent(own.slice(own.lastIndexOf('/') + 1));
    const cases: readonly (readonly [request: string, body: JsonObject | undefined, status: 200 | 403])[] = [
      [`PUT ${own}/send/x/2`, {}, 403],
      [`PUT ${own}/state/m.room.topic`, { topic: 'x' }, 403],
      [`PUT ${own}/redact/${theirs.event_id}/1`, {}, 403],
      [`PUT ${own}/send/m.room.redaction/3`, { redacts: theirs.event_id }, 403],
      [`POST ${own}/kick`, { user_id: '@alice:localhost' }, 403],
      [`POST ${own}/ban`, { user_id: '@alice:localhost' }, 403],
      [`POST ${other}/join`, {}, 403],
      [`POST ${client}/createRoom`, {}, 403],
      [`PUT ${client}/directory/room/%23more:localhost`, { room_id: roomId }, 403],
      [`DELETE ${client}/directory/room/%23bobs:localhost`, undefined, 403],
      [`PUT ${list}`, { visibility: 'public' }, 403],
      [`GET ${own}/state`, undefined, 200],
      [`PUT ${own}/redact/${said.event_id}/1`, {}, 200],
      [`POST ${own}/leave`, {}, 200],
    ];
    for (const [request, body, status] of cases) {
      const [method = '', path = ''] = request.split(' ');
      const answer = await world.call(method, path, { token: tokens.bob, body });
      assert.equal(answer.status, status, `${request}: ${answer.text}`);
      if (status === 403) assert.equal(answer.json.errcode, 'M_USER_SUSPENDED', request);
    }
  });
});

describe('power levels in initial_state', () => {
  it('take the place of the usual ones, also where they give more than could be given later', async () => {
    const { world, tokens } = await worldOf('alice');
    await using _ = world;
    const levels = { users: { '@alice:localhost': 150 } };
    const room = await newRoom(world, tokens.alice, {
      room_version: '10',
      name: 'x',
      initial_state: [{ type: 'm.room.power_levels', content: levels }],
    });
    const { chunk } = await world.ok('GET', `${room}/messages?dir=f`, tokens.alice);
    const sent = chunk.filter(({ type }: { type: string }) => type === 'm.room.power_levels');
    assert.deepEqual(
      sent.map(({ content }: { content: JsonObject }) => content),
      [levels],
    );
  });
});

describe('GET /members?at=', () => {
  it('does not tell who was in a room at a time that the reader may not see', async () => {
    const { world, tokens } = await worldOf('alice', 'bob', 'carol');
    await using _ = world;
    for (const [visibility, status] of [
      ['joined', 403],
      ['invited', 403],
      ['shared', 200],
      ['world_readable', 200],
    ] as const) {
      const room = await newRoom(world, tokens.alice, {
        preset: 'public_chat',
        initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility: visibility } }],
      });
      await world.ok('POST', `${room}/join`, tokens.carol, {});
      const { start: before } = await world.ok('GET', `${room}/messages?dir=b&limit=1`, tokens.alice);
      await world.ok('POST', `${room}/leave`, tokens.carol, {});
      await world.ok('POST', `${room}/join`, tokens.bob, {});
      const { start: after } = await world.ok('GET', `${room}/messages?dir=b&limit=1`, tokens.bob);
      await world.ok('PUT', `${room}/send/m.room.message/1`, tokens.bob, { body: 'x' });
      const then = await world.call('GET', `${room}/members?at=${before}`, { token: tokens.bob });
      assert.equal(then.status, status, `${visibility}: ${then.text}`);
      assert.equal((await world.call('GET', `${room}/members?at=${after}`, { token: tokens.bob })).status, 200);
      assert.equal((await world.call('GET', `${room}/members?at=${before}`, { token: tokens.alice })).status, 200);
    }
  });
});

describe('rooms and not_rooms of a filter', () => {
  it('let no event of another room pass in /messages and /context', async () => {
    const { world, tokens } = await worldOf('alice');
    await using _ = world;
    const room = await newRoom(world, tokens.alice, {});
    const roomId = decodeURIComponent(room.slice(room.lastIndexOf('/') + 1));
    const sent = await world.ok('PUT', `${room}/send/m.room.message/1`, tokens.alice, { body: 'x' });
    for (const [filter, passes] of [
      [{ rooms: [roomId] }, true],
      [{ rooms: ['!other:localhost'] }, false],
      [{ rooms: [] }, false],
      [{ not_rooms: [roomId] }, false],
      [{ not_rooms: ['!other:localhost'] }, true],
    ] as const) {
      const query = `limit=3&filter=${encodeURIComponent(JSON.stringify(filter))}`;
      const page = await world.ok('GET', `${room}/messages?dir=b&${query}`, tokens.alice);
      assert.equal(page.chunk.length, passes ? 3 : 0, JSON.stringify(filter));
      assert.equal('end' in page, passes, 'a page that nothing can follow says so');
      const context = await world.ok('GET', `${room}/context/${sent.event_id}?${query}`, tokens.alice);
      assert.equal(context.event.event_id, sent.event_id);
      assert.equal(context.events_before.length, passes ? 2 : 0);
      assert.equal(context.state.length > 0, passes);
    }
  });
});

describe('m.room.canonical_alias', () => {
  it('lists other aliases in an array', async () => {
    const { world, tokens } = await worldOf('alice');
    await using _ = world;
    const room = await newRoom(world, tokens.alice, { room_alias_name: 'one' });
    for (const others of ['#one:localhost', {}, 1, false]) {
      const body = { alias: '#one:localhost', alt_aliases: others };
      const answer = await world.call('PUT', `${room}/state/m.room.canonical_alias`, { token: tokens.alice, body });
      assert.equal(answer.status, 400, JSON.stringify(others));
      assert.equal(answer.json.errcode, 'M_INVALID_PARAM');
    }
  });
});
