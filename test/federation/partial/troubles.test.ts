import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import type { Pdu } from '../../../src/protocol/events/pdu.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { Universe } from '../../support/servers/universe.ts';
import { Guest, isUnknown, nothingIsLeft } from '../joining/joining-world.ts';
import { PartialStage, statePath } from './partial-world.ts';

const sendJoin = '/_matrix/federation/v2/send_join/{}/{}';
const asked = (universe: Universe, server: string) =>
  universe.calls.filter(({ uri, to }) => to === server && uri.includes('/v1/state/')).length;

type State = { pdus: Pdu[]; auth_chain: Pdu[] };

/** Changes what x.test says the state is. */
function lying(stage: PartialStage, change: (state: State) => unknown): void {
  stage.x.on('GET', statePath, ({ query }) => {
    const state = stage.room.stateBefore(query.get('event_id')) as unknown as State;
    return (change(state) ?? state) as JsonObject;
  });
}

const isMemberOf = (server: string) => (pdu: Pdu) => pdu.type === 'm.room.member' && pdu.sender.endsWith(server);
const forged = (pdu: Pdu) => ({ ...pdu, signatures: { 'y.test': { 'ed25519:s1': 'A'.repeat(86) } } });

/** Another event under the same key. */
const doubled = (pdu?: Pdu) => ({ ...(pdu as Pdu), depth: 77 });

const lies: [what: string, change: (state: State) => unknown][] = [
  ['breaks off', () => ({ status: 200, headers: {}, body: Readable.from(['{"pdus":[{"type":']) })],
  [
    'is cut off',
    (state) => {
      const text = JSON.stringify(state);
      const body = Readable.from(
        (function* () {
          yield Buffer.from(text.slice(0, text.length - 300));
          throw new Error('gone');
        })(),
      );
      return { status: 200, headers: {}, body };
    },
  ],
  ['has two members for one user', (state) => void state.pdus.push(doubled(state.pdus.find(isMemberOf('n3:y.test'))))],
  ['is nothing but an auth chain', (state) => void (state.pdus = [])],
  ['is no JSON', () => ({ status: 200, headers: {}, body: Readable.from(['{"pdus":[{"a":}]}']) })],
  ['has no create event', (state) => void (state.pdus = state.pdus.filter(({ type }) => type !== 'm.room.create'))],
  [
    'is of another room',
    (state) => void (state.pdus = state.pdus.map((pdu) => ({ ...pdu, room_id: '!other:x.test' }) as Pdu)),
  ],
  [
    'has another topic than the one that we came in with',
    (state) =>
      void (state.pdus = state.pdus.filter(
        ({ type, content }) => type !== 'm.room.topic' || content['topic'] !== 'new',
      )),
  ],
];

describe('the members of a room', () => {
  for (const [what, change] of lies) {
    it(`are asked of another server if what the first one says ${what}`, async () => {
      await using universe = await Universe.open(['a.test']);
      const stage = await PartialStage.open(universe);
      if (what.includes('topic')) {
        const old = stage.room.add({ type: 'm.room.topic', stateKey: '', content: { topic: 'old' } });
        stage.room.add({ type: 'm.room.topic', stateKey: '', content: { topic: 'new' } });
        lying(
          stage,
          (state) => void (state.pdus = state.pdus.map((pdu) => (pdu.type === 'm.room.topic' ? old.pdu : pdu))),
        );
      } else lying(stage, change);
      await stage.join();
      await stage.complete();
      assert.equal(stage.members().length, 21);
      assert.deepEqual([asked(universe, 'x.test'), asked(universe, 'y.test')], [1, 1]);
      nothingIsLeft(stage.world);
    });
  }

  it('are asked of another server if the first one does not answer, or never comes to an end', async () => {
    await using universe = await Universe.open(['a.test']);
    const stage = await PartialStage.open(universe);
    let pieces = 0;
    stage.x.on('GET', statePath, () => {
      const body = new Readable({
        read() {
          if (pieces++ === 0) this.push('{"pdus":[');
        },
      });
      return { status: 200, headers: {}, body };
    });
    await stage.join();
    await universe.until(() => pieces > 0, 'that it is asked');
    universe.clock.advance(60_000);
    assert.equal(asked(universe, 'y.test'), 0);
    universe.clock.advance(60_000);
    await stage.complete();
    assert.equal(stage.members().length, 21);
  });

  it('are asked of another server if the first one draws its answer out, a byte at a time', async () => {
    await using universe = await Universe.open(['a.test']);
    const stage = await PartialStage.open(universe);
    let sent = 0;
    let goOn: (() => void) | undefined;
    stage.x.on('GET', statePath, ({ query }) => {
      const text = JSON.stringify(stage.room.stateBefore(query.get('event_id')));
      async function* drawnOut(): AsyncGenerator<Buffer> {
        for (; ; sent++) {
          yield Buffer.from(text.charAt(sent));
          await new Promise<void>((resolve) => (goOn = resolve));
        }
      }
      return { status: 200, headers: {}, body: Readable.from(drawnOut()) };
    });
    await stage.join();
    await universe.until(() => {
      const next = goOn;
      goOn = undefined;
      if (next !== undefined) universe.clock.advance(1000);
      next?.();
      return !stage.isPartial;
    });
    assert.ok(sent > 100 && sent <= 300, `${sent} bytes were waited for`);
    assert.equal(stage.members().length, 21);
    assert.deepEqual([asked(universe, 'x.test'), asked(universe, 'y.test')], [1, 1]);
    nothingIsLeft(stage.world);
  });

  it('are asked of another server if the first one draws its answer out fast enough to be alive, for an hour', async () => {
    await using universe = await Universe.open(['a.test']);
    const stage = await PartialStage.open(universe);
    const piece = Buffer.from(`"${'x'.repeat(64 * 1024 - 3)}",`);
    let minutes = 0;
    let goOn: (() => void) | undefined;
    stage.x.on('GET', statePath, () => {
      async function* drawnOut(): AsyncGenerator<Buffer> {
        yield Buffer.from('{"junk":[');
        for (; minutes < 600; minutes++) {
          for (let pieces = 0; pieces < 10; pieces++) yield piece;
          await new Promise<void>((resolve) => (goOn = resolve));
        }
      }
      return { status: 200, headers: {}, body: Readable.from(drawnOut()) };
    });
    await stage.join();
    await universe.until(() => {
      const next = goOn;
      goOn = undefined;
      if (next !== undefined) universe.clock.advance(60_000);
      next?.();
      return !stage.isPartial;
    });
    assert.ok(minutes <= 46, `${minutes} minutes`);
    assert.equal(stage.members().length, 21);
    assert.deepEqual([asked(universe, 'x.test'), asked(universe, 'y.test')], [1, 1]);
  });

  it('are asked of another server before the room is left as larger than allowed, and it stays', async () => {
    await using universe = await Universe.open(['a.test'], { limits: { room: { max_members: 30 } } });
    const stage = await PartialStage.open(universe);
    lying(stage, (state) => {
      const one = state.pdus.find(isMemberOf('n3:y.test')) as Pdu;
      for (let n = 0; n < 40; n++) {
        const who = `@made-up${n}:y.test`;
        state.pdus.push(forged({ ...one, sender: who as Pdu['sender'], state_key: who }));
      }
    });
    await stage.join();
    await stage.complete();
    assert.equal(stage.members().length, 21);
    assert.deepEqual([asked(universe, 'x.test'), asked(universe, 'y.test')], [1, 1]);
    nothingIsLeft(stage.world);
  });

  it('are asked of another server if most of them are left out, and believed if nobody else knows of them', async () => {
    await using universe = await Universe.open(['a.test']);
    const stage = await PartialStage.open(universe);
    const servers = Array.from({ length: 20 }, (_, n) => `s${n}.test`);
    stage.x.on('PUT', sendJoin, ({ body }) => {
      const eventId = stage.room.take(body);
      const all = stage.room.stateBefore(eventId) as unknown as State;
      const state = all.pdus.filter(({ type }) => type !== 'm.room.member');
      return { state, auth_chain: all.auth_chain, members_omitted: true, servers_in_room: servers } as never;
    });
    await stage.join();
    await universe.until(() => asked(universe, 'y.test') === 1, 'that the other one is asked');
    await universe.until(() => {
      universe.clock.advance(1_000);
      return !stage.isPartial;
    });
    assert.equal(asked(universe, 'x.test'), 2);
    const info = stage.world.hs.stores.roomState.info(stage.known.nid);
    assert.deepEqual([info?.joined, info?.servers], [21, 3]);
  });

  it('are taken but for those whose signature is wrong', async () => {
    await using universe = await Universe.open(['a.test']);
    const stage = await PartialStage.open(universe);
    const isBad = isMemberOf('n3:y.test');
    lying(stage, (state) => void (state.pdus = state.pdus.map((pdu) => (isBad(pdu) ? forged(pdu) : pdu))));
    await stage.join();
    await stage.complete();
    assert.equal(stage.members().length, 20);
  });

  it('do not come from a server that names a million servers: it does not let us in', async () => {
    await using universe = await Universe.open(['a.test'], { limits: { room: { max_servers: 1_000_000 } } });
    const stage = await PartialStage.open(universe);
    stage.x.on('PUT', sendJoin, ({ body }) => {
      const eventId = stage.room.take(body);
      const all = stage.room.stateBefore(eventId) as unknown as State;
      const state = all.pdus.filter(({ type }) => type !== 'm.room.member');
      const servers = Array.from({ length: 30_000 }, (_, n) => `s${n}.test`);
      return { state, auth_chain: all.auth_chain, members_omitted: true, servers_in_room: servers } as never;
    });
    const { status } = await stage.alice.join(stage.room.roomId, ['x.test']);
    assert.equal(status, 502);
    isUnknown(stage.world, stage.room.roomId);
  });

  it('come although what names the servers is garbage', async () => {
    await using universe = await Universe.open(['a.test']);
    const stage = await PartialStage.open(universe);
    stage.x.on('PUT', sendJoin, ({ body }) => {
      const eventId = stage.room.take(body);
      const all = stage.room.stateBefore(eventId) as unknown as State;
      const state = all.pdus.filter(({ type }) => type !== 'm.room.member');
      const servers = [1, null, {}, [], '', 'no name', 'a.test', 'x.test', 'x.test', 'x'.repeat(300), 'y.test'];
      return { state, auth_chain: all.auth_chain, members_omitted: true, servers_in_room: servers } as never;
    });
    await stage.join();
    await stage.complete();
    assert.equal(stage.world.hs.stores.roomState.info(stage.known.nid)?.servers, 3);
  });

  it('are asked for again later, and in the end no more, but by the admin', async () => {
    await using universe = await Universe.open(['a.test']);
    const stage = await PartialStage.open(universe);
    for (const server of [stage.x, stage.y])
      server.on('GET', statePath, () => ({ status: 500, headers: {}, body: '{}' }));
    await stage.join();
    const { partialRooms } = stage.world.hs.stores;
    const record = () => partialRooms.find(stage.known.nid);
    await universe.until(() => {
      if ((record()?.nextTry ?? 0) > universe.clock.now()) universe.clock.advance(3_600_000);
      return record()?.givesUp === true;
    });
    assert.ok((record()?.tries ?? 0) >= 16);
    assert.ok(record()?.problem);
    stage.room.serve().serve(stage.y);
    const tries = record()?.tries;
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(record()?.tries, tries);
    assert.equal(stage.world.hs.services.rooms.filling.retry(stage.room.roomId), true);
    await stage.complete();
    assert.equal(stage.members().length, 21);
  });

  it('are waited for no longer when the last user leaves', async () => {
    await using universe = await Universe.open(['a.test']);
    const stage = await PartialStage.open(universe);
    const goOn = stage.holdState();
    stage.x.on('PUT', '/_matrix/federation/v1/send/{}', ({ body }) => {
      for (const pdu of body.pdus) stage.room.take(pdu);
      return { pdus: {} };
    });
    await stage.join();
    const waiting = stage.world.hs.services.rooms.partialState.whenComplete(stage.known.nid, 1e6 as never);
    assert.equal((await stage.alice.leave(stage.room.roomId)).status, 200);
    assert.equal(await waiting, false);
    assert.equal(stage.isPartial, false);
    await universe.until(() => universe.calls.some(({ uri, to }) => to === 'x.test' && uri.includes('/v1/send/')));
    goOn();
    const bob = await Guest.register(stage.world, 'bob');
    assert.equal((await bob.join(stage.room.roomId, ['y.test'])).status, 200);
    await stage.complete();
    assert.deepEqual(
      stage.members().filter((user) => user.endsWith(':a.test')),
      ['@bob:a.test'],
    );
    assert.equal(stage.members().length, 21);
    nothingIsLeft(stage.world);
  });

  it('are not kept if they are more than is allowed: the room is left', async () => {
    await using universe = await Universe.open(['a.test'], { limits: { room: { max_members: 15 } } });
    const stage = await PartialStage.open(universe);
    await stage.join();
    await universe.until(
      () => stage.world.hs.stores.roomState.localJoined(stage.known.nid).length === 0,
      'that it is left',
    );
    await universe.until(() =>
      stage.world.hs.stores.roomPurges.isPending(stage.world.hs.stores.interning.findRoom(stage.room.roomId) as never),
    );
    universe.clock.advance(120_000);
    while (stage.world.hs.services.rooms.purges.slice());
    isUnknown(stage.world, stage.room.roomId);
  });
});
