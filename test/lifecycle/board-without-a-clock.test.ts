import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runOperation } from '../../src/admin/operations.ts';
import { AddressRanges } from '../../src/outbound/address-ranges.ts';
import { Mailer } from '../../src/outbound/mailer.ts';
import { OutboundHttp } from '../../src/outbound/outbound-http.ts';
import type { Log } from '../../src/util/log.ts';
import { Guest } from '../federation/joining/joining-world.ts';
import { ScriptedRoom } from '../support/federation/scripted-room.ts';
import { Universe } from '../support/servers/universe.ts';
import { FakeClock } from '../support/stubs/fake-clock.ts';

const hour = 60 * 60_000;
const week = 7 * 24 * hour;

/** A server that has lived, with somebody in a room elsewhere, and is switched on again without knowing the time. */
async function switchedOn() {
  const events: string[] = [];
  const note = (event: string) => void events.push(event);
  const log: Log = { debug() {}, info: note, warn: note, error: note, child: () => log };
  const universe = await Universe.open(['a.test'], { delayed_events: { max_delay: '2d' } }, { log });
  const server = universe.script('b.test');
  server.on('PUT', '/_matrix/federation/v1/send/{}', () => ({ pdus: {} }));
  const room = ScriptedRoom.create(server, '11').serve();
  const world = universe.world('a.test');
  const alice = await Guest.register(world, 'alice');
  assert.equal((await alice.join(room.roomId, ['b.test'])).status, 200);
  const login = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'alice' }, refresh_token: true };
  const { access_token: short } = await alice.ok('POST', '/login', { ...login, password: 'password of alice' });
  const delayed = `/rooms/${encodeURIComponent(room.roomId)}/send/m.room.message/later`;
  await alice.ok('PUT', `${delayed}?org.matrix.msc4140.delay=${hour}`, { msgtype: 'm.text', body: 'later' });
  await universe.stop('a.test');
  const last = universe.clock.now();
  universe.clock.set(0);
  await universe.start('a.test');
  const whoAmI = () => world.call('GET', '/_matrix/client/v3/account/whoami', { token: short as string });
  const say = (txn: string) => {
    const path = `/rooms/${encodeURIComponent(room.roomId)}/send/m.room.message/${txn}`;
    return alice.call('PUT', path, { msgtype: 'm.text', body: 'hello' });
  };
  /** All that it has said to others since. */
  const before = universe.calls.length;
  const calls = () => universe.calls.slice(before).filter(({ from }) => from === 'a.test');
  return {
    universe,
    server,
    world,
    alice,
    room,
    last,
    events,
    whoAmI,
    say,
    calls,
    [Symbol.asyncDispose]: () => universe[Symbol.asyncDispose](),
  };
}

describe('a board without a clock', () => {
  it('says in the log that it does not know the time, and lets people read', async () => {
    await using stood = await switchedOn();
    assert.deepEqual(
      stood.events.filter((event) => event.startsWith('clock.')),
      ['clock.wrong'],
    );
    const { rooms } = await stood.alice.sync();
    assert.deepEqual(Object.keys(rooms.join), [stood.room.roomId]);
  });

  it('signs nothing: no event, no answer about its keys', async () => {
    await using stood = await switchedOn();
    const { status, json } = await stood.say('one');
    assert.deepEqual([status, json.errcode, json.retry_after_ms], [503, 'M_UNKNOWN', 15_000]);
    assert.equal((await stood.alice.call('POST', '/createRoom', {})).status, 503);
    assert.equal((await stood.server.request('a.test', 'GET', '/_matrix/key/v2/server')).status, 503);
  });

  it('judges no keys: what other servers send waits with them', async () => {
    await using stood = await switchedOn();
    const { server, room } = stood;
    const event = room.add({ type: 'm.room.message', content: { msgtype: 'm.text', body: 'hi' } });
    assert.equal((await server.send('a.test', [event.pdu])).status, 503);
    const query = `/_matrix/federation/v1/query/profile?user_id=${encodeURIComponent(stood.alice.userId)}`;
    assert.equal((await server.request('a.test', 'GET', query)).status, 503);
  });

  it('judges no certificates: it calls nobody, however long that takes', async () => {
    await using stood = await switchedOn();
    const { universe, alice, calls } = stood;
    assert.equal((await alice.join('!other:b.test', ['b.test'])).status, 502);
    await alice.ok('PUT', `/rooms/${encodeURIComponent(stood.room.roomId)}/typing/${alice.userId}`, { typing: true });
    universe.clock.advance(3 * hour);
    await universe.until(async () => (await alice.sync()).next_batch !== undefined);
    assert.deepEqual(calls(), []);

    const clock = { ...clockOf(new FakeClock(0)), isRight: false };
    const http = new OutboundHttp({ ranges: new AddressRanges([]), resolveDns: () => assert.fail('asked'), clock });
    const request = { method: 'GET', url: 'https://a.org', timeout: 1, maxBytes: 1, plainHttp: 'nowhere' } as never;
    for (const result of [await http.request(request), await http.open(request)]) {
      assert.deepEqual([result.ok, 'retryable' in result && result.retryable], [false, true]);
    }
    const mailer = new Mailer({ host: 'mail.test', from: 'a@b.test' } as never, clock);
    assert.equal((await mailer.send({ to: 'c@d.test', subject: '', text: '' })).kind, 'failed');
  });

  it('lets no token expire', async () => {
    await using stood = await switchedOn();
    assert.equal((await stood.whoAmI()).status, 200);
    stood.universe.clock.advance(3 * hour);
    assert.equal((await stood.whoAmI()).status, 200);
    stood.universe.clock.set(stood.last + 3 * hour);
    assert.equal((await stood.whoAmI()).status, 401);
  });

  it('goes on by itself once it is told the time, with what became due meanwhile', async () => {
    await using stood = await switchedOn();
    const { universe, events, calls } = stood;
    universe.clock.set(stood.last + week);
    universe.clock.advance(2_000);
    assert.ok(events.includes('clock.right'));
    const said = () => calls().flatMap(({ uri, body }) => (uri.includes('/send/') ? body.pdus : []));
    const bodies = () => said().map((pdu: { content: { body: string } }) => pdu.content.body);
    await universe.until(() => bodies().includes('later'), 'what was to be sent later is sent');
    assert.equal((await stood.say('two')).status, 200);
    await universe.until(() => bodies().includes('hello'));
    assert.ok(said().every((pdu: { origin_server_ts: number }) => pdu.origin_server_ts >= stood.last + week));
    assert.equal((await stood.server.request('a.test', 'GET', '/_matrix/key/v2/server')).status, 200);
  });

  it('believes its clock when the admin says so', async () => {
    await using stood = await switchedOn();
    const { universe, world } = stood;
    universe.clock.set(stood.last - week);
    assert.equal((await stood.say('one')).status, 503);
    await runOperation(world.hs.admin, 'db/trust-clock', {});
    assert.equal((await stood.say('one')).status, 200);
  });
});

function clockOf(clock: FakeClock) {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after: (delay: never, task: () => void) => clock.after(delay, task),
  };
}
