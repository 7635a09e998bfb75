import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from '../../support/servers/world.ts';

const v3 = '/_matrix/client/v3';
const msc = '/_matrix/client/unstable/org.matrix.msc4140';
const delayed = (id: string) => `${msc}/delayed_events/${id}`;

async function openWorld() {
  const world = await World.open({ delayed_events: { max_delay: '1h' } });
  const tokens: Record<string, string | undefined> = { nobody: undefined };
  for (const name of ['alice', 'bob', 'carol']) tokens[name] = await world.register(name);
  const token = (name: string) => tokens[name] as string;
  const options = { preset: 'public_chat', power_level_content_override: { events: { call: 0 } } };
  const room = (await world.ok('POST', `${v3}/createRoom`, token('alice'), options)).room_id as string;
  await world.ok('POST', `${v3}/rooms/${room}/join`, token('bob'), {});
  const later = async (who: string, txn: string, delay: number, body = 'later') => {
    const path = `${v3}/rooms/${room}/send/m.room.message/${txn}?org.matrix.msc4140.delay=${delay}`;
    return (await world.ok('PUT', path, token(who), { msgtype: 'm.text', body })).delay_id as string;
  };
  const stateLater = async (who: string, delay: number, content: object) => {
    const path = `${v3}/rooms/${room}/state/call/x?org.matrix.msc4140.delay=${delay}`;
    return (await world.ok('PUT', path, token(who), content)).delay_id as string;
  };
  const said = async () => {
    const answer = await world.ok('GET', `${v3}/rooms/${room}/messages?dir=b&limit=50`, token('alice'));
    const chunk: { type: string; content: { body?: string } }[] = answer.chunk;
    return chunk.flatMap(({ type, content }) => (type === 'm.room.message' ? [content.body] : [])).toReversed();
  };
  /** Lets time pass, and what became due be sent. */
  const pass = async (span: number) => {
    world.clock.advance(span);
    for (let i = 0; i < 6; i++) {
      // Comes after what was written before it.
      await world.hs.db.durable<void>(() => {});
      await new Promise((done) => setImmediate(done));
      world.clock.advance(0);
    }
  };
  return { world, tokens, token, room, later, stateLater, said, pass };
}

describe('delayed events', () => {
  it('are sent when their time has come, in order, and not before', async () => {
    const { world, token, later, said, pass } = await openWorld();
    await using _ = world;
    const second = await later('bob', 't1', 20_000, 'second');
    await later('alice', 't1', 10_000, 'first');
    await pass(9999);
    assert.deepEqual(await said(), []);
    await pass(20_000);
    assert.deepEqual(await said(), ['first', 'second']);
    const ended = await world.ok('GET', delayed(second), token('bob'));
    assert.match(ended.event_id, /^\$/);
    assert.deepEqual([ended.outcome, ended.delay_ms], ['send', 20_000]);
    assert.deepEqual(ended.finalised, { finalised_ts: ended.finalised_ts, event_id: ended.event_id });
  });

  it('are known by their ID to every device of their sender, and to nobody else', async () => {
    const { world, token, room, later, pass } = await openWorld();
    await using _ = world;
    const id = await later('alice', 't1', 1000);
    await pass(1000);
    const { event_id: event } = await world.ok('GET', delayed(id), token('alice'));
    const login = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'alice' } };
    const body = { ...login, password: 'password of alice' };
    const other = (await world.call('POST', `${v3}/login`, { body })).json.access_token as string;
    const unsignedFor = async (reader: string) =>
      (await world.ok('GET', `${v3}/rooms/${room}/event/${encodeURIComponent(event)}`, reader)).unsigned;
    assert.equal((await unsignedFor(token('alice')))['org.matrix.msc4140.delay_id'], id);
    assert.equal((await unsignedFor(other))['org.matrix.msc4140.delay_id'], id);
    assert.equal((await unsignedFor(token('bob')))['org.matrix.msc4140.delay_id'], undefined);
    const synced = await world.ok('GET', `${v3}/sync`, token('alice'));
    const [last] = synced.rooms.join[room].timeline.events.slice(-1);
    assert.equal(last.unsigned['org.matrix.msc4140.delay_id'], id);
  });

  it('stay scheduled when sending them at once is refused', async () => {
    const { world, token, room, later, said, pass } = await openWorld();
    await using _ = world;
    const id = await later('bob', 't1', 1000);
    await world.ok('POST', `${v3}/rooms/${room}/kick`, token('alice'), { user_id: '@bob:localhost' });
    const refused = await world.call('POST', `${delayed(id)}/send`, { body: {} });
    assert.deepEqual([refused.status, refused.json.errcode], [403, 'M_FORBIDDEN']);
    await world.ok('POST', `${v3}/rooms/${room}/join`, token('bob'), {});
    await pass(1000);
    assert.deepEqual(await said(), ['later']);
  });

  it('are remembered for a week', async () => {
    const { world, token, later, pass } = await openWorld();
    await using _ = world;
    const id = await later('alice', 't1', 1000);
    await pass(1000);
    world.clock.advance(6 * 24 * 3_600_000);
    await later('alice', 't2', 1000);
    await world.ok('GET', delayed(id), token('alice'));
    world.clock.advance(2 * 24 * 3_600_000);
    await later('alice', 't3', 1000);
    assert.equal((await world.call('GET', delayed(id), { token: token('alice') })).status, 404);
  });

  it('can be scheduled and looked at by guests', async () => {
    await using world = await World.open({ registration: { mode: 'open', guests: true } });
    const alice = await world.register('alice');
    const guest = (await world.call('POST', `${v3}/register?kind=guest`, { body: {} })).json.access_token as string;
    const access = { type: 'm.room.guest_access', state_key: '', content: { guest_access: 'can_join' } };
    const made = await world.ok('POST', `${v3}/createRoom`, alice, { preset: 'public_chat', initial_state: [access] });
    await world.ok('POST', `${v3}/rooms/${made.room_id}/join`, guest, {});
    const put = `${msc}/rooms/${made.room_id}/delayed_event/m.room.message/t`;
    const { delay_id: id } = await world.ok('PUT', put, guest, { delay_ms: 1000, content: { body: 'bye' } });
    assert.equal((await world.ok('GET', delayed(id), guest)).delay_id, id);
    assert.equal((await world.ok('GET', `${msc}/delayed_events`, guest)).delayed_events.length, 1);
  });

  it('are scheduled once for a transaction ID', async () => {
    const { world, later, said, pass } = await openWorld();
    await using _ = world;
    assert.equal(await later('alice', 't1', 1000), await later('alice', 't1', 1000));
    await pass(1000);
    assert.deepEqual(await said(), ['later']);
  });

  it('are listed for their sender, under the names of all drafts', async () => {
    const { world, token, room, stateLater } = await openWorld();
    await using _ = world;
    const id = await stateLater('alice', 5000, { a: 1 });
    const now = world.clock.now();
    const expected = {
      delay_id: id,
      room_id: room,
      type: 'call',
      state_key: 'x',
      content: { a: 1 },
      delay_ms: 5000,
      scheduled_at: now,
      delay: 5000,
      running_since: now,
      delayed_since_ts: now,
    };
    assert.deepEqual(await world.ok('GET', `${msc}/delayed_events`, token('alice')), { delayed_events: [expected] });
    assert.deepEqual(await world.ok('GET', delayed(id), token('alice')), expected);
    assert.deepEqual(await world.ok('GET', `${msc}/delayed_events`, token('bob')), { delayed_events: [] });
    const others = await world.call('GET', delayed(id), { token: token('bob') });
    assert.deepEqual([others.status, others.json.errcode], [404, 'M_NOT_FOUND']);
  });

  it('can be cancelled, sent at once and begun anew by whoever knows the ID', async () => {
    const { world, later, said, pass } = await openWorld();
    await using _ = world;
    const [a, b, c, d] = [
      await later('alice', 't1', 1000, 'cancelled'),
      await later('alice', 't2', 1000, 'at once'),
      await later('alice', 't3', 1000, 'anew'),
      await later('alice', 't4', 1000, 'by body'),
    ];
    const post = (path: string, body: object = {}) => world.call('POST', path, { body });
    assert.equal((await post(`${delayed(a)}/cancel`)).status, 200);
    assert.equal((await post(`${delayed(b)}/send`)).status, 200);
    assert.deepEqual(await said(), ['at once']);
    assert.equal((await post(delayed(d), { action: 'cancel' })).status, 200);
    await pass(999);
    assert.equal((await post(`${delayed(c)}/restart`)).status, 200);
    await pass(999);
    assert.deepEqual(await said(), ['at once']);
    await pass(1);
    assert.deepEqual(await said(), ['at once', 'anew']);
    assert.equal((await post(`${delayed(a)}/cancel`)).status, 200);
    assert.equal((await post(`${delayed(b)}/send`)).status, 200);
    for (const path of [`${delayed(a)}/send`, `${delayed(b)}/cancel`, `${delayed(c)}/restart`]) {
      const answer = await post(path);
      assert.deepEqual([path, answer.status, answer.json.errcode], [path, 409, 'M_UNKNOWN']);
    }
    for (const action of ['send', 'cancel', 'restart']) {
      assert.equal((await post(`${delayed('no')}/${action}`)).json.errcode, 'M_NOT_FOUND');
    }
    assert.equal((await post(delayed('no'), { action: 'cancel' })).json.errcode, 'M_NOT_FOUND');
    assert.equal((await post(delayed('no'), {})).json.errcode, 'M_MISSING_PARAM');
    assert.equal((await post(delayed('no'), { action: 'x' })).json.errcode, 'M_INVALID_PARAM');
  });

  it('are cancelled when somebody else changes the same entry of the state', async () => {
    const { world, token, room, stateLater, pass } = await openWorld();
    await using _ = world;
    const id = await stateLater('bob', 1000, { by: 'bob' });
    await world.ok('PUT', `${v3}/rooms/${room}/state/call/x`, token('alice'), { by: 'alice' });
    await pass(1000);
    assert.deepEqual(await world.ok('GET', `${v3}/rooms/${room}/state/call/x`, token('alice')), { by: 'alice' });
    assert.equal((await world.ok('GET', delayed(id), token('bob'))).outcome, 'cancel');
  });

  it('are refused when they are sent, if they may not be then', async () => {
    const { world, token, room, later, said, pass } = await openWorld();
    await using _ = world;
    const id = await later('bob', 't1', 1000);
    await world.ok('POST', `${v3}/rooms/${room}/kick`, token('alice'), { user_id: '@bob:localhost' });
    await pass(1000);
    assert.deepEqual(await said(), []);
    const ended = await world.ok('GET', delayed(id), token('bob'));
    assert.equal(ended.finalised.error.errcode, 'M_FORBIDDEN');
    assert.notEqual(ended.finalised.error.error, '');
    assert.equal((await world.call('POST', `${delayed(id)}/cancel`, { body: {} })).status, 200);
    assert.equal((await world.call('POST', `${delayed(id)}/send`, { body: {} })).status, 409);
  });

  it('are refused by the errors of the specification and the draft', async () => {
    const { world, tokens, room } = await openWorld();
    await using _ = world;
    const send = `${v3}/rooms/${room}/send/x/t?org.matrix.msc4140.delay=`;
    const put = `${msc}/rooms/${room}/delayed_event/x/t`;
    const cases: readonly [string, string, string, unknown, number, string | undefined][] = [
      ['alice', 'PUT', put, { delay_ms: 1000, content: {} }, 200, undefined],
      ['alice', 'PUT', put, { delay_ms: 1000, state_key: 'k', content: {} }, 200, undefined],
      ['alice', 'PUT', put, { delay_ms: -1, content: {} }, 400, 'M_INVALID_PARAM'],
      ['alice', 'PUT', put, { delay_ms: 0, content: {} }, 400, 'M_INVALID_PARAM'],
      ['alice', 'PUT', put, { delay_ms: 3_600_001, content: {} }, 403, 'M_FORBIDDEN'],
      ['alice', 'PUT', `${send}0`, {}, 400, 'M_INVALID_PARAM'],
      ['alice', 'PUT', put, { content: {} }, 400, 'M_MISSING_PARAM'],
      ['alice', 'PUT', put, { delay_ms: 1000 }, 400, 'M_MISSING_PARAM'],
      ['nobody', 'PUT', put, { delay_ms: 1000, content: {} }, 401, 'M_MISSING_TOKEN'],
      ['alice', 'PUT', `${send}x`, {}, 400, 'M_INVALID_PARAM'],
      ['alice', 'PUT', `${send}3600001`, {}, 400, 'M_UNKNOWN'],
      ['alice', 'PUT', `${send}1000`, { a: 'x'.repeat(65_536) }, 413, 'M_TOO_LARGE'],
      ['alice', 'PUT', `${v3}/rooms/!no:localhost/send/x/t?org.matrix.msc4140.delay=1`, {}, 403, 'M_FORBIDDEN'],
      ['nobody', 'GET', `${msc}/delayed_events`, undefined, 401, 'M_MISSING_TOKEN'],
      ['nobody', 'GET', delayed('no'), undefined, 401, 'M_MISSING_TOKEN'],
      ['alice', 'GET', delayed('no'), undefined, 404, 'M_NOT_FOUND'],
    ];
    for (const [who, method, path, body, status, errcode] of cases) {
      const answer = await world.call(method, path, { token: tokens[who], body });
      assert.deepEqual([path, answer.status, answer.json.errcode], [path, status, errcode], answer.text);
    }
    const long = await world.call('PUT', `${send}3600001`, { token: tokens['alice'], body: {} });
    assert.equal(long.json['org.matrix.msc4140.errcode'], 'M_MAX_DELAY_EXCEEDED');
    assert.equal(long.json['org.matrix.msc4140.max_delay'], 3_600_000);
    for (let i = 0; i < 100; i++) {
      await world.call('PUT', `${v3}/rooms/${room}/send/x/n${i}?org.matrix.msc4140.delay=1000`, {
        token: tokens['alice'],
        body: {},
      });
    }
    const many = await world.call('PUT', `${send.replace('/t?', '/u?')}1000`, { token: tokens['alice'], body: {} });
    assert.deepEqual([many.status, many.json.errcode], [429, 'M_LIMIT_EXCEEDED']);
    // Until the next of them is sent.
    assert.equal(many.headers['retry-after'], '1');
  });
});
