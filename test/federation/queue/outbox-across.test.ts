import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readEvent } from '../../../src/protocol/events/read.ts';
import { rulesOf, type ScriptedServer } from '../../support/federation/scripted-server.ts';
import { Universe } from '../../support/servers/universe.ts';
import { type HostedRoom, host, join, own, say } from '../rooms/guests.ts';

const enc = encodeURIComponent;
const minute = 60_000;

interface Taken {
  readonly txnId: string;
  readonly pdus: readonly { type: string; sender: string; content: { body?: string; membership?: string } }[];
  readonly edus: readonly { edu_type: string; content: Record<string, unknown> }[];
}

/** A server that takes transactions, or with `isOpen` false answers that it has a problem. */
class Listener {
  readonly server: ScriptedServer;
  readonly taken: Taken[] = [];
  isOpen = true;

  constructor(universe: Universe, name: string) {
    this.server = universe.script(name);
    this.server.on('PUT', '/_matrix/federation/v1/send/{}', ({ body, params, from }) => {
      assert.equal(body.origin, from);
      if (!this.isOpen) {
        const reply = JSON.stringify({ errcode: 'M_UNKNOWN', error: 'out of order' });
        return { status: 500, headers: { 'content-type': 'application/json' }, body: reply };
      }
      this.taken.push({ txnId: params[0] ?? '', edus: [], ...body });
      return { pdus: {} };
    });
  }

  get heard(): string[] {
    return this.taken.flatMap(({ pdus }) =>
      pdus.map(({ content, type }) => content.body ?? content.membership ?? type),
    );
  }

  get edus() {
    return this.taken.flatMap(({ edus }) => edus);
  }
}

interface Scene {
  readonly universe: Universe;
  readonly room: HostedRoom;
  readonly b: Listener;
  readonly c: Listener;
}

/** A room of ours with a user of `b.test` and then one of `c.test`. */
async function scene(work: (scene: Scene) => Promise<void>, version = '12'): Promise<void> {
  await using universe = await Universe.open([own]);
  const [b, c] = [new Listener(universe, 'b.test'), new Listener(universe, 'c.test')];
  const room = await host(universe, version);
  await join(b.server, room, b.server.user('bob'));
  await join(c.server, room, c.server.user('carol'));
  await universe.until(() => b.heard.length === 1);
  await work({ universe, room, b, c });
}

const path = (room: HostedRoom, rest: string) => `/_matrix/client/v3/rooms/${enc(room.roomId)}/${rest}`;

describe('the queue of a whole server', () => {
  for (const version of ['1', '6', '12']) {
    it(`sends events of room version ${version} as they were signed, in order`, () =>
      scene(async ({ universe, room, b, c }) => {
        for (const body of ['1', '2', '3']) await say(universe, room, body);
        await universe.until(() => b.heard.length >= 4 && c.heard.length >= 3);
        assert.deepEqual(b.heard, ['join', '1', '2', '3']);
        assert.deepEqual(c.heard, ['1', '2', '3']);
        for (const pdu of b.taken.flatMap(({ pdus }) => pdus)) {
          const read = readEvent(pdu, rulesOf(version));
          assert.ok(read.ok && read.event.contentHashMatches);
        }
      }, version));
  }

  it('passes on what another server hands in, but not to that server', () =>
    scene(async ({ b, c }) => {
      assert.deepEqual(b.heard, ['join']);
      assert.deepEqual(b.taken[0]?.pdus[0]?.sender, '@carol:c.test');
      assert.deepEqual(c.heard, []);
    }));

  it('tells a server that its last user was removed, and nothing more', () =>
    scene(async ({ universe, room, b, c }) => {
      await universe.world(own).ok('POST', path(room, 'kick'), room.token, { user_id: '@bob:b.test' });
      await say(universe, room, 'after');
      await universe.until(() => c.heard.includes('after') && b.heard.includes('leave'));
      assert.deepEqual(b.heard, ['join', 'leave']);
      assert.deepEqual(c.heard, ['leave', 'after']);
    }));

  it('goes on after a restart with what a server has missed', () =>
    scene(async ({ universe, room, b, c }) => {
      universe.cut(own, 'b.test');
      await say(universe, room, '1');
      await universe.until(() => c.heard.includes('1'));
      await universe.restart(own);
      await say(universe, room, '2');
      await universe.until(() => c.heard.includes('2'));
      universe.heal(own, 'b.test');
      universe.clock.advance(2 * minute);
      await universe.until(() => b.heard.includes('2'));
      assert.deepEqual(b.heard, ['join', '1', '2']);
      assert.deepEqual(c.heard, ['1', '2']);
    }));

  it('repeats a transaction that was answered with an error, under its ID', () =>
    scene(async ({ universe, room, b }) => {
      const sent = () => universe.calls.filter(({ to, method }) => to === 'b.test' && method === 'PUT');
      b.isOpen = false;
      await say(universe, room, '1');
      await universe.until(() => sent().at(-1)?.status === 500);
      b.isOpen = true;
      universe.clock.advance(2 * minute);
      await universe.until(() => b.heard.includes('1'));
      const [first, second] = sent().slice(-2);
      assert.equal(first?.uri, second?.uri);
      assert.deepEqual(first?.body.pdus, second?.body.pdus);
    }));

  it('a server that calls us is told at once', () =>
    scene(async ({ universe, room, b }) => {
      universe.cut(own, 'b.test');
      await say(universe, room, '1');
      await universe.until(() => universe.calls.some(({ uri, to }) => to === 'b.test' && uri.includes('/send/')));
      await universe.until(() => universe.world(own).hs.services.federation.reachability.isDown(b.server.name));
      universe.heal(own, 'b.test');
      await b.server.request(own, 'GET', `/_matrix/federation/v1/state_ids/${enc(room.roomId)}?event_id=$x`);
      await universe.until(() => b.heard.includes('1'));
    }));

  it('tells of typing and of public receipts, with their threads, and of no private ones', () =>
    scene(async ({ universe, room, b, c }) => {
      const world = universe.world(own);
      const event = await say(universe, room, '1');
      await world.ok('PUT', path(room, `typing/${enc(room.creator)}`), room.token, { typing: true, timeout: 30_000 });
      await world.ok('POST', path(room, `receipt/m.read.private/${enc(event)}`), room.token, {});
      await universe.until(() => b.edus.length > 0 && c.edus.length > 0);
      await world.ok('POST', path(room, `receipt/m.read/${enc(event)}`), room.token, { thread_id: 'main' });
      await universe.until(() => b.edus.length > 1 && c.edus.length > 1);
      const ts = universe.clock.now();
      for (const { edus } of [b, c]) {
        assert.deepEqual(edus, [
          { edu_type: 'm.typing', content: { room_id: room.roomId, user_id: room.creator, typing: true } },
          {
            edu_type: 'm.receipt',
            content: {
              [room.roomId]: {
                'm.read': { [room.creator]: { data: { ts, thread_id: 'main' }, event_ids: [event] } },
              },
            },
          },
        ]);
      }
      await say(universe, room, '2');
      await universe.until(() => b.edus.length > 2);
      assert.equal(b.edus.at(-1)?.content['typing'], false, 'whoever has sent has stopped typing');
    }));
});
describe('two whole servers', () => {
  it('hear each other, and a restart of either loses and doubles nothing', async () => {
    await using universe = await Universe.open([own, 'b.test']);
    const [a, b] = [universe.world(own), universe.world('b.test')];
    const room = await host(universe, '12');
    const bob = await b.register('bob');
    await b.ok('POST', `/_matrix/client/v3/join/${enc(room.roomId)}?via=${own}`, bob, {});
    let txn = 0;
    const sayAs = (world: typeof a, token: string, body: string) =>
      world.ok('PUT', path(room, `send/m.room.message/x${txn++}`), token, { msgtype: 'm.text', body });
    const bodies = async (world: typeof a, token: string): Promise<string[]> => {
      const { chunk } = await world.ok('GET', path(room, 'messages?dir=f&limit=100'), token);
      const events = chunk as { type: string; content: { body: string } }[];
      return events.filter(({ type }) => type === 'm.room.message').map(({ content }) => content.body);
    };
    const both = async (expected: readonly string[]) => {
      await universe.until(async () => (await bodies(a, room.token)).length >= expected.length);
      await universe.until(async () => (await bodies(b, bob)).length >= expected.length);
      assert.deepEqual([await bodies(a, room.token), await bodies(b, bob)], [expected, expected]);
    };
    await sayAs(a, room.token, '1');
    await both(['1']);
    await sayAs(b, bob, '2');
    await both(['1', '2']);
    await universe.stop('b.test');
    await sayAs(a, room.token, '3');
    await universe.restart(own);
    await sayAs(a, room.token, '4');
    await universe.start('b.test');
    universe.clock.advance(2 * minute);
    await both(['1', '2', '3', '4']);
    await sayAs(b, bob, '5');
    await both(['1', '2', '3', '4', '5']);
  });
});
