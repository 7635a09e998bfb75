import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { roomEndpoints } from '../../../src/api/client/rooms/endpoints.ts';
import type { Services } from '../../../src/api/services.ts';
import { aRoom, openRoomApp } from './room-app.ts';

type Case = readonly [
  request: string,
  who: string | undefined,
  body: unknown,
  status: number,
  outcome: string | ((json: Record<string, unknown>) => boolean),
];

/**
 * `{p}` is the path of a room that alice made and bob is in, `{event}` a message of alice's in it, `{state}` its name's
 * event, `{alias}` an alias of it. Each case starts anew.
 */
const cases: readonly Case[] = [
  ['POST /createRoom', 'alice', {}, 200, ({ room_id }) => /^![A-Za-z0-9_-]{43}$/.test(String(room_id))],
  ['POST /createRoom', 'alice', { room_version: '9' }, 200, ({ room_id }) => String(room_id).endsWith(':localhost')],
  ['POST /createRoom', undefined, {}, 401, 'M_MISSING_TOKEN'],
  ['POST /createRoom', 'expired', {}, 401, 'M_UNKNOWN_TOKEN'],
  ['POST /createRoom', 'alice', '{', 400, 'M_NOT_JSON'],
  ['POST /createRoom', 'alice', '[]', 400, 'M_BAD_JSON'],
  ['POST /createRoom', 'alice', { name: 1 }, 400, 'M_BAD_JSON'],
  ['POST /createRoom', 'alice', { invite: 'bob' }, 400, 'M_BAD_JSON'],
  ['POST /createRoom', 'alice', { invite: ['bob'] }, 400, 'M_INVALID_PARAM'],
  ['POST /createRoom', 'alice', { preset: 'x' }, 400, 'M_INVALID_PARAM'],
  ['POST /createRoom', 'alice', { visibility: 'x' }, 400, 'M_INVALID_PARAM'],
  ['POST /createRoom', 'alice', { initial_state: [{ type: 'x' }] }, 400, 'M_MISSING_PARAM'],
  ['POST /createRoom', 'alice', { creation_content: [] }, 400, 'M_BAD_JSON'],
  ['POST /createRoom', 'alice', '{"creation_content":{"a":1.0}}', 400, 'M_BAD_JSON'],
  ['POST /createRoom', 'alice', { room_version: '0' }, 400, 'M_UNSUPPORTED_ROOM_VERSION'],
  ['POST /createRoom', 'alice', { room_alias_name: 'pub' }, 400, 'M_ROOM_IN_USE'],
  ['POST /createRoom', 'alice', { room_alias_name: 'a:b' }, 400, 'M_INVALID_PARAM'],
  ['POST /createRoom', 'alice', { invite_3pid: [{ medium: 'email' }] }, 400, 'M_MISSING_PARAM'],
  ['POST /createRoom', 'alice', { invite: ['@x:elsewhere.test'] }, 403, 'M_FORBIDDEN'],
  ['POST /createRoom', 'alice', { invite: ['@nobody:localhost'] }, 404, 'M_NOT_FOUND'],
  [
    'POST /createRoom',
    'alice',
    { power_level_content_override: { users: { '@alice:localhost': 1 } } },
    400,
    'M_INVALID_ROOM_STATE',
  ],
  ['POST {p}/join', 'carol', {}, 200, ({ room_id }) => typeof room_id === 'string'],
  ['POST {p}/join', 'carol', undefined, 200, ({ room_id }) => typeof room_id === 'string'],
  ['POST {p}/join', 'carol', { reason: 1 }, 400, 'M_BAD_JSON'],
  ['POST /rooms/!no:localhost/join', 'carol', {}, 404, 'M_NOT_FOUND'],
  ['POST /join/{alias}', 'carol', {}, 200, ({ room_id }) => typeof room_id === 'string'],
  ['POST /join/%23no:localhost', 'carol', {}, 404, 'M_NOT_FOUND'],
  ['POST /join/rubbish', 'carol', {}, 400, 'M_INVALID_PARAM'],
  ['POST /knock/{alias}', 'carol', {}, 403, 'M_FORBIDDEN'],
  ['POST {p}/invite', 'alice', { user_id: '@carol:localhost' }, 200, () => true],
  ['POST {p}/invite', 'carol', { user_id: '@carol:localhost' }, 403, 'M_FORBIDDEN'],
  ['POST {p}/invite', 'alice', {}, 400, 'M_MISSING_PARAM'],
  ['POST {p}/invite', 'alice', { user_id: 'carol' }, 400, 'M_INVALID_PARAM'],
  ['POST {p}/invite', 'alice', { medium: 'email', address: 'x' }, 400, 'M_MISSING_PARAM'],
  ['POST {p}/leave', 'bob', {}, 200, () => true],
  ['POST {p}/leave', 'carol', {}, 403, 'M_FORBIDDEN'],
  ['POST /rooms/!no:localhost/leave', 'carol', {}, 404, 'M_NOT_FOUND'],
  ['POST {p}/forget', 'bob', {}, 400, 'M_UNKNOWN'],
  ['POST {p}/forget', 'carol', {}, 404, 'M_NOT_FOUND'],
  ['POST {p}/kick', 'alice', { user_id: '@bob:localhost' }, 200, () => true],
  ['POST {p}/kick', 'bob', { user_id: '@alice:localhost' }, 403, 'M_FORBIDDEN'],
  ['POST {p}/kick', 'alice', {}, 400, 'M_MISSING_PARAM'],
  ['POST {p}/ban', 'alice', { user_id: '@bob:localhost' }, 200, () => true],
  ['POST {p}/ban', 'bob', { user_id: '@alice:localhost' }, 403, 'M_FORBIDDEN'],
  ['POST {p}/unban', 'alice', { user_id: '@bob:localhost' }, 403, 'M_BAD_STATE'],
  ['GET /joined_rooms', 'bob', undefined, 200, ({ joined_rooms }) => (joined_rooms as unknown[]).length === 1],
  ['PUT {p}/send/m.room.message/1', 'bob', { body: 'x' }, 200, ({ event_id }) => String(event_id).startsWith('$')],
  ['PUT {p}/send/m.room.message/1', 'carol', { body: 'x' }, 403, 'M_FORBIDDEN'],
  ['PUT {p}/send/m.room.message/1', 'bob', '{"a":1.5}', 400, 'M_BAD_JSON'],
  ['PUT {p}/send/m.room.message/1', 'bob', '{"a":9007199254740992}', 400, 'M_BAD_JSON'],
  ['PUT {p}/send/m.room.message/1', 'bob', '{"a":1e2}', 400, 'M_BAD_JSON'],
  ['PUT {p}/send/m.room.message/1', 'bob', { a: 'x'.repeat(65_536) }, 413, 'M_TOO_LARGE'],
  ['PUT {p}/send/m.room.message/1', 'bob', Buffer.from([0x22, 0xff, 0x22]), 400, 'M_NOT_JSON'],
  ['PUT {p}/send/m.room.redaction/1', 'alice', { redacts: '{event}' }, 200, () => true],
  ['PUT {p}/redact/{event}/1', 'alice', { reason: 'x' }, 200, ({ event_id }) => typeof event_id === 'string'],
  ['PUT {p}/redact/{event}/1', 'bob', {}, 403, 'M_FORBIDDEN'],
  ['PUT {p}/redact/{event}/1', 'carol', {}, 403, 'M_FORBIDDEN'],
  ['PUT {p}/redact/$no/1', 'alice', {}, 404, 'M_NOT_FOUND'],
  ['PUT {p}/redact/{event}/1', 'alice', { reason: 1 }, 400, 'M_BAD_JSON'],
  ['PUT {p}/state/m.room.topic', 'alice', { topic: 'x' }, 200, ({ event_id }) => typeof event_id === 'string'],
  ['PUT {p}/state/m.room.topic/', 'alice', { topic: 'x' }, 200, ({ event_id }) => typeof event_id === 'string'],
  ['PUT {p}/state/x/a%2Fb', 'alice', {}, 200, ({ event_id }) => typeof event_id === 'string'],
  ['PUT {p}/state/m.room.topic', 'bob', { topic: 'x' }, 403, 'M_FORBIDDEN'],
  ['PUT {p}/state/m.room.canonical_alias', 'alice', { alias: '#no:localhost' }, 400, 'M_BAD_ALIAS'],
  ['PUT {p}/state/m.room.canonical_alias', 'alice', { alias: 'no' }, 400, 'M_INVALID_PARAM'],
  ['PUT {p}/state/m.room.power_levels', 'alice', { ban: '1' }, 400, 'M_BAD_JSON'],
  ['GET {p}/state/m.room.name', 'bob', undefined, 200, ({ name }) => name === 'Pub'],
  ['GET {p}/state/m.room.name/', 'bob', undefined, 200, ({ name }) => name === 'Pub'],
  ['GET {p}/state/m.room.name/?format=event', 'bob', undefined, 200, ({ type }) => type === 'm.room.name'],
  ['GET {p}/state/m.room.name/?format=x', 'bob', undefined, 400, 'M_INVALID_PARAM'],
  ['GET {p}/state/m.room.member/@bob:localhost', 'bob', undefined, 200, ({ membership }) => membership === 'join'],
  ['GET {p}/state/m.room.nothing', 'bob', undefined, 404, 'M_NOT_FOUND'],
  ['GET {p}/state/m.room.name', 'carol', undefined, 403, 'M_FORBIDDEN'],
  ['GET {p}/state', 'bob', undefined, 200, (events) => Array.isArray(events) && events.length === 9],
  ['GET {p}/state', 'carol', undefined, 403, 'M_FORBIDDEN'],
  ['GET {p}/event/{event}', 'bob', undefined, 200, ({ type }) => type === 'm.room.message'],
  ['GET {p}/event/{event}', 'carol', undefined, 404, 'M_NOT_FOUND'],
  ['GET {p}/event/$no', 'bob', undefined, 404, 'M_NOT_FOUND'],
  ['GET {p}/members', 'bob', undefined, 200, ({ chunk }) => (chunk as unknown[]).length === 2],
  ['GET {p}/members?membership=invite', 'bob', undefined, 200, ({ chunk }) => (chunk as unknown[]).length === 0],
  ['GET {p}/members?membership=x', 'bob', undefined, 400, 'M_INVALID_PARAM'],
  ['GET {p}/members?at=x', 'bob', undefined, 400, 'M_INVALID_PARAM'],
  ['GET {p}/members', 'carol', undefined, 403, 'M_FORBIDDEN'],
  ['GET {p}/joined_members', 'bob', undefined, 200, ({ joined }) => '@bob:localhost' in (joined as object)],
  ['GET {p}/joined_members', 'carol', undefined, 403, 'M_FORBIDDEN'],
  ['GET {p}/messages?dir=b', 'bob', undefined, 200, ({ chunk }) => (chunk as unknown[]).length === 10],
  ['GET {p}/messages?dir=f&limit=2', 'bob', undefined, 200, ({ chunk }) => (chunk as unknown[]).length === 2],
  ['GET {p}/messages', 'bob', undefined, 400, 'M_MISSING_PARAM'],
  ['GET {p}/messages?dir=x', 'bob', undefined, 400, 'M_INVALID_PARAM'],
  ['GET {p}/messages?dir=b&limit=x', 'bob', undefined, 400, 'M_INVALID_PARAM'],
  ['GET {p}/messages?dir=b&limit=-1', 'bob', undefined, 400, 'M_INVALID_PARAM'],
  ['GET {p}/messages?dir=b&from=x', 'bob', undefined, 400, 'M_INVALID_PARAM'],
  ['GET {p}/messages?dir=b&filter=x', 'bob', undefined, 400, 'M_BAD_JSON'],
  ['GET {p}/messages?dir=b&filter=%7B%22types%22:1%7D', 'bob', undefined, 400, 'M_BAD_JSON'],
  ['GET {p}/messages?dir=b', 'carol', undefined, 403, 'M_FORBIDDEN'],
  [
    'GET {p}/context/{event}',
    'bob',
    undefined,
    200,
    ({ event }) => (event as { type: string }).type === 'm.room.message',
  ],
  ['GET {p}/context/{event}?limit=x', 'bob', undefined, 400, 'M_INVALID_PARAM'],
  ['GET {p}/context/{event}', 'carol', undefined, 404, 'M_NOT_FOUND'],
  ['GET /directory/room/{alias}', undefined, undefined, 200, ({ servers }) => String(servers) === 'localhost'],
  ['GET /directory/room/%23no:localhost', undefined, undefined, 404, 'M_NOT_FOUND'],
  ['GET /directory/room/no', undefined, undefined, 400, 'M_INVALID_PARAM'],
  ['PUT /directory/room/%23bar:localhost', 'bob', { room_id: '{id}' }, 200, () => true],
  ['PUT /directory/room/{alias}', 'bob', { room_id: '{id}' }, 409, 'M_UNKNOWN'],
  ['PUT /directory/room/%23bar:localhost', 'carol', { room_id: '{id}' }, 403, 'M_FORBIDDEN'],
  ['PUT /directory/room/%23bar:elsewhere.test', 'bob', { room_id: '{id}' }, 400, 'M_INVALID_PARAM'],
  ['PUT /directory/room/%23bar:localhost', 'bob', {}, 400, 'M_MISSING_PARAM'],
  ['DELETE /directory/room/{alias}', 'alice', undefined, 200, () => true],
  ['DELETE /directory/room/{alias}', 'bob', undefined, 403, 'M_FORBIDDEN'],
  ['DELETE /directory/room/%23no:localhost', 'alice', undefined, 404, 'M_NOT_FOUND'],
  ['GET {p}/aliases', 'bob', undefined, 200, ({ aliases }) => String(aliases) === '#pub:localhost'],
  ['GET {p}/aliases', 'carol', undefined, 403, 'M_FORBIDDEN'],
  ['GET /_matrix/client/v3/rooms/kitchen/aliases', 'bob', undefined, 400, 'M_INVALID_PARAM'],
  ['GET /directory/list{p}', undefined, undefined, 404, 'M_UNRECOGNIZED'],
  ['GET /directory/list/room/{id}', undefined, undefined, 200, ({ visibility }) => visibility === 'private'],
  ['GET /directory/list/room/!no:localhost', undefined, undefined, 404, 'M_NOT_FOUND'],
  ['PUT /directory/list/room/{id}', 'alice', { visibility: 'public' }, 200, () => true],
  ['PUT /directory/list/room/{id}', 'alice', {}, 200, () => true],
  ['PUT /directory/list/room/{id}', 'alice', { visibility: 'x' }, 400, 'M_INVALID_PARAM'],
  ['PUT /directory/list/room/{id}', 'bob', {}, 403, 'M_FORBIDDEN'],
  ['PUT /directory/list/room/!no:localhost', 'alice', {}, 404, 'M_NOT_FOUND'],
  // Old clients and bots.
  ['POST /_matrix/client/r0/createRoom', 'alice', {}, 200, ({ room_id }) => typeof room_id === 'string'],
  ['PATCH /createRoom', 'alice', {}, 405, 'M_UNRECOGNIZED'],
  ['GET {p}/nothing', 'alice', undefined, 404, 'M_UNRECOGNIZED'],
];

describe('endpoints for rooms', () => {
  it('answers each good case, and each error it names', async () => {
    await using rooms = openRoomApp();
    for (const [request, who, body, status, outcome] of cases) {
      // Aliases are unique on the server: a case that needs the name free or fresh gets it.
      await rooms.call('alice', 'DELETE /directory/room/%23pub:localhost');
      await rooms.call('bob', 'DELETE /directory/room/%23bar:localhost');
      for (const id of rooms.world.rooms.membership.joinedRooms(rooms.world.person('bob'))) {
        await rooms.ok('bob', `POST /rooms/${encodeURIComponent(id)}/leave`);
      }
      const { id, p } = await aRoom(rooms, {
        name: 'Pub',
        room_alias_name: 'pub',
        power_level_content_override: { invite: 50 },
      });
      const sent = await rooms.ok('alice', `PUT ${p}/send/m.room.message/0`, { body: 'hi' });
      const values: Record<string, string> = {
        '{p}': p,
        '{id}': id,
        '{event}': sent.json.event_id,
        '{alias}': '%23pub:localhost',
      };
      const fill = (text: string): string => text.replaceAll(/\{(p|id|event|alias)\}/g, (name) => values[name] ?? name);
      const filled = typeof body === 'object' && !Buffer.isBuffer(body) ? JSON.parse(fill(JSON.stringify(body))) : body;
      const answer = await rooms.call(who, fill(request), filled);
      const title = `${request} by ${who ?? 'nobody'}: ${answer.status} ${answer.text.slice(0, 200)}`;
      assert.equal(answer.status, status, title);
      if (typeof outcome === 'string') assert.equal(answer.json.errcode, outcome, title);
      else assert.ok(outcome(answer.json), title);
      assert.equal(answer.headers['access-control-allow-origin'], '*', title);
    }
  });

  it('has a good case for each endpoint', () => {
    const good = cases.filter(([, , , status]) => status === 200).map(([request]) => request.split(/[ ?]/));
    // These need rooms of their own: they have tests of their own.
    const others = ['/knock/', '/forget', '/unban', '/relations/', '/threads', '/upgrade', '/timestamp_to_event'];
    for (const { method, paths } of roomEndpoints({} as Services)) {
      const [path = ''] = paths;
      if (others.some((other) => path.includes(other))) continue;
      const shape = path.replace('/_matrix/client/v3', '').replaceAll(/\{[^}]+\}/g, '[^/]+');
      const pattern = new RegExp(`^${shape}$`);
      const isTested = good.some(
        ([verb, at]) => verb === method && pattern.test((at ?? '').replace('{p}', '/rooms/x')),
      );
      assert.ok(isTested, `${method} ${path} has no good case`);
    }
  });

  it('serves a life in a room from the knock to the end', async () => {
    await using rooms = openRoomApp();
    const rule = { type: 'm.room.join_rules', content: { join_rule: 'knock' } };
    for (const name of ['alice', 'bob']) rooms.world.person(name);
    const { json } = await rooms.ok('alice', 'POST /createRoom', { initial_state: [rule] });
    const p = `/rooms/${encodeURIComponent(json.room_id)}`;
    await rooms.ok('bob', `POST /knock/${encodeURIComponent(json.room_id)}`, { reason: 'please' });
    await rooms.ok('alice', `POST ${p}/invite`, { user_id: '@bob:localhost' });
    await rooms.ok('bob', `POST ${p}/join`);
    await rooms.ok('alice', `POST ${p}/ban`, { user_id: '@bob:localhost', reason: 'x' });
    assert.equal((await rooms.call('bob', `POST ${p}/join`)).json.errcode, 'M_FORBIDDEN');
    await rooms.ok('alice', `POST ${p}/unban`, { user_id: '@bob:localhost' });
    await rooms.ok('bob', `POST ${p}/forget`);
    assert.equal((await rooms.call('bob', `GET ${p}/state`)).json.errcode, 'M_FORBIDDEN');
  });
});
