import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Endpoint } from '../../src/api/http/types.ts';
import { World } from '../support/servers/world.ts';

const v3 = '/_matrix/client/v3';

/** A body with which somebody who may would succeed, by the end of the path. */
const bodies: readonly (readonly [RegExp, unknown])[] = [
  [/\/(invite|kick|ban|unban)$/, { user_id: '@bob:localhost' }],
  [/\/typing\//, { typing: true }],
  [/\/upgrade$/, { new_version: '11' }],
  [/\/directory\/room\//, { room_id: '' }],
  [/\/read_markers$/, { 'm.fully_read': '$event' }],
  [/\/delayed_event\//, { delay_ms: 1000, content: { body: 'x' } }],
  [/\/state\//, { topic: 'taken over' }],
  [/\/report/, { reason: 'x' }],
  [/displayname|keyName/, { displayname: 'Mallory' }],
  [/presence/, { presence: 'online' }],
  [/account_data/, { secret: 'x' }],
  [/\/(suspend)\//, { suspended: true }],
  [/\/(lock)\//, { locked: true }],
];

/** What a stranger may do with a room or a user all the same, and why. */
const allowed: readonly (readonly [RegExp, string])[] = [
  [/^GET .*\/directory\/list\/room\//, 'whether a room is in the directory is no secret'],
  [/\/account_data|\/tags|\/room_keys\//, 'their own notes about any room'],
  [/delayed_event/, 'whether an event may be sent is asked when its time has come'],
  [/^GET .*\/profile\//, 'profiles are public'],
  [/^POST .*\/(users\/\{userId\}|rooms\/\{roomId\})\/report$/, 'everybody may complain of anybody, and of any room'],
];

describe('somebody who has nothing to do with it', () => {
  let world: World;
  let alice: string;
  let mallory: string;
  let room: string;
  let event: string;
  let endpoints: readonly Endpoint[];
  before(async () => {
    world = await World.open({ presence: { enabled: true } });
    alice = await world.register('alice');
    await world.register('bob');
    mallory = await world.register('mallory');
    const made = await world.ok('POST', `${v3}/createRoom`, alice, { preset: 'private_chat', name: 'Rabbithole' });
    room = made.room_id as string;
    const path = `${v3}/rooms/${encodeURIComponent(room)}/send/m.room.message/t`;
    event = (await world.ok('PUT', path, alice, { msgtype: 'm.text', body: 'between us' })).event_id as string;
    await world.ok('PUT', `${v3}/directory/room/%23den:localhost`, alice, { room_id: room });
    await world.ok('PUT', `${v3}/user/@alice:localhost/account_data/m.secret`, alice, { secret: 'xylophone' });
    endpoints = world.hs.app.endpoints.filter(({ serves, auth }) => serves === 'client' && auth !== 'none');
  });
  after(() => world[Symbol.asyncDispose]());

  const values = (): Record<string, string> => ({
    roomId: room,
    roomIdOrAlias: room,
    roomAlias: '#den:localhost',
    eventId: event,
    userId: '@alice:localhost',
    threadRoot: event,
    eventType: 'm.room.topic',
    stateKey: '',
    receiptType: 'm.read',
    keyName: 'displayname',
    type: 'm.secret',
    txnId: 'mine',
  });

  async function attempt(endpoint: Endpoint) {
    const [template = ''] = endpoint.paths;
    const url = template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(values()[name] ?? 'x'));
    const found = bodies.find(([pattern]) => pattern.test(template))?.[1] ?? { body: 'x' };
    const body = template.includes('/directory/room/') ? { room_id: room } : found;
    const query = template.endsWith('timestamp_to_event') ? '?ts=0&dir=f' : '?dir=b';
    const withBody = endpoint.body === 'json' || endpoint.body === 'optional-json' ? { body } : {};
    return world.call(endpoint.method, url + query, { token: mallory, ...withBody });
  }

  for (const [param, what, least] of [
    ['room', 'gets no room open', 30],
    ['user', 'cannot act or ask for somebody else', 8],
  ] as const) {
    it(`${what}: 403 or 404, and nothing is told`, async () => {
      let tried = 0;
      for (const endpoint of endpoints) {
        const [template = ''] = endpoint.paths;
        const name = `${endpoint.method} ${template}`;
        const isOfRoom = /\{(roomId|roomIdOrAlias|roomAlias)\}/.test(template);
        if (isOfRoom !== (param === 'room') || !(isOfRoom || template.includes('{userId}'))) continue;
        const isOwn = template.includes('/user/{userId}');
        if (allowed.some(([pattern]) => pattern.test(name)) && !isOwn) continue;
        const answer = await attempt(endpoint);
        assert.ok([403, 404].includes(answer.status), `${name} answered ${answer.status}: ${answer.text}`);
        assert.doesNotMatch(answer.text, /rabbithole|between us|xylophone/i, name);
        tried += 1;
      }
      assert.ok(tried >= least, `only ${tried} were tried`);
    });
  }

  it('has left no trace', async () => {
    const { chunk } = await world.ok('GET', `${v3}/rooms/${encodeURIComponent(room)}/messages?dir=b`, alice);
    assert.equal(chunk[0].event_id, event);
    assert.deepEqual(await world.ok('GET', `${v3}/user/@alice:localhost/account_data/m.secret`, alice), {
      secret: 'xylophone',
    });
  });
});
