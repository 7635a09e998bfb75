import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { encodeBase64 } from '../../../src/protocol/base64.ts';
import { MatrixError } from '../../../src/protocol/errors.ts';
import { type BuiltEvent, signEvent } from '../../../src/protocol/events/build.ts';
import { eventIdOf } from '../../../src/protocol/events/hashes.ts';
import type { Pdu } from '../../../src/protocol/events/pdu.ts';
import { EventTexts } from '../../../src/protocol/events/texts.ts';
import { asKeyId } from '../../../src/protocol/ids/key-id.ts';
import type { EventId } from '../../../src/protocol/ids/types.ts';
import { SigningKey } from '../../../src/protocol/signing/keys.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { rulesOf, type ScriptedServer } from '../../support/federation/scripted-server.ts';
import { Universe } from '../../support/servers/universe.ts';
import { type HostedRoom, host, join, own, setState } from './guests.ts';

const key = new SigningKey(asKeyId('ed25519:policy_server'), Buffer.alloc(32, 9));
const otherKey = new SigningKey(asKeyId('ed25519:policy_server'), Buffer.alloc(32, 8));
const rules = rulesOf('12');
const enc = encodeURIComponent;

describe('a room with a policy server', () => {
  let universe: Universe;
  let policy: ScriptedServer;
  let guest: ScriptedServer;
  let room: HostedRoom;
  let asked: Pdu[] = [];
  let guestJoin: BuiltEvent;
  let guestAuth: EventId[];

  /** Signs everything but what says spam. */
  const scripted = (by: SigningKey) => {
    policy.on('POST', '/_matrix/policy/v1/sign', ({ body }) => {
      asked.push(body as Pdu);
      if (JSON.stringify((body as Pdu).content).includes('spam')) {
        throw new MatrixError(400, 'M_FORBIDDEN', 'The message appears to contain possible spam');
      }
      const signature = encodeBase64(by.sign(new EventTexts(body as Pdu, rules).signed));
      return { [policy.name]: { [by.keyId]: signature } };
    });
  };
  const enable = (content: JsonObject = { via: policy.name, public_keys: { ed25519: key.publicKeyBase64 } }) =>
    setState(universe, room, 'm.room.policy', content);
  const world = () => universe.world(own);
  let txn = 0;
  const say = (text: string) =>
    world().call('PUT', `/_matrix/client/v3/rooms/${enc(room.roomId)}/send/m.room.message/p${txn++}`, {
      token: room.token,
      body: { msgtype: 'm.text', body: text },
    });
  const shown = async (): Promise<string[]> => {
    const path = `/_matrix/client/v3/rooms/${enc(room.roomId)}/messages?dir=b&limit=100`;
    const { chunk } = await world().ok('GET', path, room.token);
    return chunk.map(({ content }: { content: { body?: string } }) => content.body);
  };
  /** A message of the guest's user. */
  const fromGuest = (text: string): BuiltEvent =>
    guest.event(
      {
        type: 'm.room.message',
        sender: guest.user('gus'),
        roomId: room.roomId as never,
        content: { msgtype: 'm.text', body: text },
        prevEvents: [guestJoin.eventId],
        authEvents: guestAuth,
        depth: guestJoin.pdu.depth + 1,
        originServerTs: universe.clock.now(),
      },
      '12',
    );

  before(async () => {
    universe = await Universe.open([own]);
    policy = universe.script('policy.test');
    guest = universe.script('guest.test');
    room = await host(universe, '12');
    await join(policy, room, policy.user('ps'));
    scripted(key);
    const { event, answer } = await join(guest, room, guest.user('gus'));
    guestJoin = event;
    const levels = (answer.state as Pdu[]).find(({ type }) => type === 'm.room.power_levels');
    assert.ok(levels);
    guestAuth = [eventIdOf(levels, rules), event.eventId];
    assert.equal(asked.length, 0, 'not asked before it is named');
    await enable();
    assert.equal(asked.length, 0, 'not asked about what names it');
  });
  after(() => universe[Symbol.asyncDispose]());

  it('has its events signed before they are sent', async () => {
    asked = [];
    const answer = await say('hello');
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(
      asked.map(({ content }) => content['body']),
      ['hello'],
    );
    const path = `/_matrix/federation/v1/event/${enc(answer.json.event_id as string)}`;
    const [pdu] = (await policy.request(own, 'GET', path)).json.pdus as [Pdu];
    assert.deepEqual(Object.keys(pdu.signatures).sort(), [own, policy.name].sort());
    assert.equal(eventIdOf(pdu, rules), answer.json.event_id);
  });

  it('tells the client what the policy server has against an event, and does not send it', async () => {
    const answer = await say('spam');
    assert.deepEqual(
      [answer.status, answer.json],
      [400, { errcode: 'M_FORBIDDEN', error: 'The message appears to contain possible spam' }],
    );
    assert.ok(!(await shown()).includes('spam'));
  });

  it('asks about state, too', async () => {
    asked = [];
    await setState(universe, room, 'm.room.topic', { topic: 'Tea' });
    assert.deepEqual(
      asked.map(({ type }) => type),
      ['m.room.topic'],
    );
    const refused = await world().call('PUT', `/_matrix/client/v3/rooms/${enc(room.roomId)}/state/m.room.topic/`, {
      token: room.token,
      body: { topic: 'spam' },
    });
    assert.equal(refused.status, 400);
  });

  it('asks about memberships and what was to be sent later', async () => {
    asked = [];
    const call = (method: string, path: string, body: JsonObject, token = room.token) =>
      world().call(method, `/_matrix/client/v3/rooms/${enc(room.roomId)}/${path}`, { token, body });
    const dora = await world().register('dora');
    const target = { user_id: `@dora:${own}` };
    assert.equal((await call('POST', 'join', {}, dora)).status, 200);
    assert.equal((await call('POST', 'kick', { ...target, reason: 'spam' })).status, 400);
    for (const what of ['kick', 'ban', 'unban']) assert.equal((await call('POST', what, target)).status, 200);
    assert.deepEqual(
      asked.map(({ content }) => content['membership']),
      ['join', 'leave', 'leave', 'ban', 'leave'],
    );
    const delay = 'org.matrix.msc4140.delay=1000';
    assert.equal((await call('PUT', `send/m.room.message/l1?${delay}`, { body: 'later' })).status, 200);
    assert.equal((await call('PUT', `send/m.room.message/l2?${delay}`, { body: 'later spam' })).status, 200);
    universe.clock.advance(2000);
    await universe.until(async () => (await shown()).includes('later') && asked.length === 7);
    assert.ok(!(await shown()).includes('later spam'));
  });

  it('keeps nobody in', async () => {
    const erin = await world().register('erin');
    const call = (what: string) =>
      world().call('POST', `/_matrix/client/v3/rooms/${enc(room.roomId)}/${what}`, { token: erin, body: {} });
    assert.equal((await call('join')).status, 200);
    universe.cut(own, policy.name);
    assert.equal((await call('leave')).status, 200);
    universe.heal(own, policy.name);
  });

  it('does not take a signature of another key, nor an answer that is none', async () => {
    scripted(otherKey);
    assert.equal((await say('badly signed')).status, 502);
    policy.on('POST', '/_matrix/policy/v1/sign', () => ({ [policy.name]: 'yes' }));
    assert.equal((await say('badly signed')).status, 502);
    policy.on('POST', '/_matrix/policy/v1/sign', () => ({}));
    assert.equal((await say('badly signed')).status, 502);
    scripted(key);
    assert.ok(!(await shown()).includes('badly signed'));
  });

  it('takes events of other servers that are signed, without asking again', async () => {
    asked = [];
    const event = fromGuest('signed already');
    const signed = signEvent(event.pdu, rules, { serverName: policy.name, key });
    await guest.send(own, [signed]);
    assert.ok((await shown()).includes('signed already'));
    assert.equal(asked.length, 0);
  });

  it('asks about those that are not, and soft-fails what is not recommended', async () => {
    asked = [];
    const { json } = await guest.send(own, [fromGuest('late but fine').pdu, fromGuest('remote spam').pdu]);
    assert.deepEqual(Object.values(json.pdus as JsonObject), [{}, {}]);
    const texts = await shown();
    assert.ok(texts.includes('late but fine'));
    assert.ok(!texts.includes('remote spam'));
    assert.equal(asked.length, 2);
  });

  it('can get rid of a policy server that is out of reach', async () => {
    universe.cut(own, policy.name);
    assert.equal((await say('into the void')).status, 502);
    await enable({});
    assert.equal((await say('free')).status, 200);
    universe.heal(own, policy.name);
  });

  for (const [what, content] of [
    ['without a key', { via: 'policy.test' }],
    ['with a key that is none', { via: 'policy.test', public_keys: { ed25519: 'nonsense' } }],
    ['that is no server', { via: 'not a name', public_keys: { ed25519: key.publicKeyBase64 } }],
    ['that is not in the room', { via: 'absent.test', public_keys: { ed25519: key.publicKeyBase64 } }],
  ] as const) {
    it(`${what} asks nobody`, async () => {
      await enable(content);
      asked = [];
      assert.equal((await say('anything')).status, 200);
      assert.equal(asked.length, 0);
    });
  }

  it('is asked when an alias is removed that is the canonical one; if it refuses, only the alias goes', async () => {
    await enable();
    const alias = `/_matrix/client/v3/directory/room/${enc(`#tea:${own}`)}`;
    for (const isRefused of [false, true]) {
      await world().ok('PUT', alias, room.token, { room_id: room.roomId });
      await setState(universe, room, 'm.room.canonical_alias', { alias: `#tea:${own}` });
      asked = [];
      if (isRefused) {
        policy.on('POST', '/_matrix/policy/v1/sign', () => {
          throw new MatrixError(400, 'M_FORBIDDEN', 'no');
        });
      }
      await world().ok('DELETE', alias, room.token);
      scripted(key);
      const path = `/_matrix/client/v3/rooms/${enc(room.roomId)}/state/m.room.canonical_alias/`;
      const content = await world().ok('GET', path, room.token);
      assert.deepEqual(content, isRefused ? { alias: `#tea:${own}` } : {});
      if (!isRefused) assert.deepEqual([asked[0]?.type, asked[0]?.content], ['m.room.canonical_alias', {}]);
      assert.equal((await world().call('GET', alias)).status, 404);
    }
  });

  for (const to of ['11', '12']) {
    it(`is asked about the end of a room that is upgraded to version ${to}; a no keeps it as it is`, async () => {
      const old = await host(universe, '12', { room_alias_name: `old${to}`, name: `for ${to}` }, `upgrader${to}`);
      await join(policy, old, policy.user('ps'));
      await setState(universe, old, 'm.room.policy', {
        via: policy.name,
        public_keys: { ed25519: key.publicKeyBase64 },
      });
      const upgrade = () =>
        world().call('POST', `/_matrix/client/v3/rooms/${enc(old.roomId)}/upgrade`, {
          token: old.token,
          body: { new_version: to },
        });
      policy.on('POST', '/_matrix/policy/v1/sign', () => {
        throw new MatrixError(400, 'M_FORBIDDEN', 'no');
      });
      const { length } = (await world().ok('GET', '/_matrix/client/v3/joined_rooms', old.token)).joined_rooms;
      const refused = await upgrade();
      assert.deepEqual([refused.status, refused.json.error], [400, 'no']);
      assert.equal((await world().ok('GET', '/_matrix/client/v3/joined_rooms', old.token)).joined_rooms.length, length);
      asked = [];
      scripted(key);
      const made = await upgrade();
      assert.equal(made.status, 200, made.text);
      assert.deepEqual(
        asked.map(({ type }) => type),
        ['m.room.tombstone', 'm.room.canonical_alias', 'm.room.power_levels'],
      );
      const replacement = made.json.replacement_room as string;
      assert.equal(asked[0]?.content['replacement_room'], replacement);
      const state = (id: string, type: string) =>
        world().ok('GET', `/_matrix/client/v3/rooms/${enc(id)}/state/${type}/`, old.token);
      assert.equal((await state(old.roomId, 'm.room.tombstone')).replacement_room, replacement);
      assert.deepEqual(await state(old.roomId, 'm.room.canonical_alias'), {});
      assert.equal((await state(old.roomId, 'm.room.power_levels')).events_default, 50);
      const create = await state(replacement, 'm.room.create');
      assert.equal(create.predecessor.room_id, old.roomId);
      assert.equal((await state(replacement, 'm.room.name')).name, `for ${to}`);
      const path = `/_matrix/federation/v1/event/${enc(eventIdOf(asked[0], rules))}`;
      const [tombstone] = (await policy.request(own, 'GET', path)).json.pdus as [Pdu];
      assert.deepEqual(Object.keys(tombstone.signatures).sort(), [own, policy.name].sort());
      if (to === '11') assert.equal(create.predecessor.event_id, eventIdOf(tombstone, rules));
    });
  }
});
