import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EventId } from '../../../src/protocol/ids/types.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import type { Asked } from '../../support/federation/scripted-server.ts';
import { bodies, type Entered, enter, ids, messages, openEntered, talk, walk } from './entered-room.ts';

const backfillOf = (room: ScriptedRoom) => `/_matrix/federation/v1/backfill/${room.roomId}`;

/** A room of ten messages whose server answers `/backfill` as it likes. */
async function lied(
  { world, server, universe }: Entered,
  answer: (room: ScriptedRoom, asked: Asked) => readonly unknown[],
  version = '12',
) {
  const token = await world.register('alice');
  const room = ScriptedRoom.create(server, version).serve();
  talk(room, 10);
  server.on('GET', backfillOf(room), (asked) => ({ pdus: answer(room, asked) as JsonObject[] }));
  enter(world, room, 'alice');
  const asked = () => universe.calls.filter(({ uri }) => uri.includes('/backfill/')).length;
  return { token, room, asked };
}

describe('a server that lies about history', () => {
  it('may give events of another room: they are dropped', async () => {
    await using entered = await openEntered();
    const other = ScriptedRoom.create(entered.universe.script('d.test'), '12');
    talk(other, 20);
    const { token, room, asked } = await lied(entered, () => [...other.entries.values()].map(({ pdu }) => pdu));
    assert.equal(ids(await walk(entered.world, token, room)).length, 1);
    assert.ok(asked() <= 3);
    assert.equal(entered.world.hs.stores.interning.findRoom(other.roomId), undefined);
  });

  it('may give what nobody signed: it is passed, and what comes before it is there', async () => {
    await using entered = await openEntered();
    const { token, room } = await lied(entered, (own) =>
      [...own.entries.values()]
        .toReversed()
        .map(({ pdu }) =>
          pdu.content['body'] === '7' ? { ...pdu, signatures: { 'b.test': { 'ed25519:s1': 'A'.repeat(86) } } } : pdu,
        ),
    );
    assert.equal(bodies(await walk(entered.world, token, room)), '10 9 8 6 5 4 3 2 1');
  });

  it('may give content that does not fit its hash: it is shown redacted', async () => {
    await using entered = await openEntered();
    const { token, room } = await lied(entered, (own) =>
      [...own.entries.values()].map(({ pdu }) =>
        pdu.content['body'] === '7' ? { ...pdu, content: { body: 'x' } } : pdu,
      ),
    );
    assert.equal(bodies(await walk(entered.world, token, room)), '10 9 8 6 5 4 3 2 1');
    assert.equal(ids(await walk(entered.world, token, room)).length, room.entries.size);
  });

  it('may give events in a circle: they get no place, and nobody goes round', async () => {
    await using entered = await openEntered();
    const { world, server } = entered;
    const token = await world.register('alice');
    const room = ScriptedRoom.create(server, '1').serve();
    const one = room.build({ type: 'm.room.message', content: { body: 'one' } });
    const two = room.build({ type: 'm.room.message', content: { body: 'two' } });
    const rebuilt = (event: typeof one, prev: typeof one) =>
      server.event(
        {
          type: 'm.room.message',
          sender: room.creator,
          content: event.pdu.content,
          roomId: room.roomId,
          eventId: event.eventId,
          prevEvents: [[prev.eventId, { sha256: 'x'.repeat(43) }]],
          authEvents: event.pdu.auth_events,
          depth: 9,
          originServerTs: 1,
        },
        '1',
      );
    const circle = [rebuilt(one, two), rebuilt(two, one)];
    for (const { pdu } of circle) room.take(pdu);
    talk(room, 3);
    enter(world, room, 'alice');
    assert.equal(bodies(await walk(world, token, room)), '3 2 1');
    assert.equal(bodies(await walk(world, token, room)), '3 2 1');
  });

  it('may give nothing, garbage or the same again: it is asked a few times and then left alone', async () => {
    for (const answer of [[], [1, null, 'x', {}, { type: 1 }], 'same'] as const) {
      await using entered = await openEntered();
      const { token, room, asked } = await lied(entered, (own) =>
        answer === 'same' ? [own.pdu(own.ends[0] as EventId)] : answer,
      );
      assert.equal(ids(await walk(entered.world, token, room)).length, 1);
      assert.ok(asked() <= 3, `${asked()} requests`);
      const before = asked();
      await walk(entered.world, token, room);
      assert.equal(asked(), before);
    }
  });

  it('may invent events without end: each request of a client costs a few of its own', async () => {
    await using entered = await openEntered();
    let invented = 0;
    const { token, room, asked } = await lied(entered, (own, { query }) => {
      // Each event claims to follow one that is made when it is asked for.
      const found = query.getAll('v').filter((id) => own.entries.has(id as EventId));
      return found.map((id) => own.pdu(id as EventId)).concat(chain(own, query.getAll('v'), 50));
    });
    function chain(own: ScriptedRoom, wanted: readonly string[], count: number) {
      invented += wanted.length + count;
      return [...own.entries.values()].map(({ pdu }) => pdu).slice(0, 5);
    }
    const page = await messages(entered.world, token, room, '&limit=1000');
    assert.ok(ids(page.chunk).length <= 400);
    assert.ok(asked() <= 24);
    assert.ok(invented > 0);
  });

  it('may claim any depth: the edges decide', async () => {
    await using entered = await openEntered();
    const { world, server } = entered;
    const token = await world.register('alice');
    const room = ScriptedRoom.create(server, '12').serve();
    const depths = [100, 2, 9_007_199_254_740_991, 0, 50];
    for (const [index, depth] of depths.entries()) {
      room.add({ type: 'm.room.message', content: { body: `${index}` }, depth });
    }
    enter(world, room, 'alice');
    assert.deepEqual(ids(await walk(world, token, room, { limit: 3 })), [...room.entries.keys()].toReversed());
  });

  it('may cite auth events that do not allow the event: it is rejected and passed', async () => {
    await using entered = await openEntered();
    const { world, server } = entered;
    const token = await world.register('alice');
    const room = ScriptedRoom.create(server, '12').serve();
    talk(room, 2);
    const stranger = server.user('stranger');
    const power = room.current('m.room.power_levels') as EventId;
    room.add({ type: 'm.room.message', sender: stranger, content: { body: 'no' }, authEvents: [power] });
    talk(room, 2, 3);
    enter(world, room, 'alice');
    assert.equal(bodies(await walk(world, token, room)), '4 3 2 1');
  });
});

describe('several servers', () => {
  it('are asked one after the other, those down not at all, until somebody has what is missing', async () => {
    await using entered = await openEntered();
    const { world, server, universe } = entered;
    const token = await world.register('alice');
    const room = ScriptedRoom.create(server, '12').serve();
    const helper = universe.script('c.test');
    const member = helper.user('carol');
    const draft = { type: 'm.room.member', sender: member, stateKey: member, content: { membership: 'join' } };
    const model = room.build(draft);
    const { hashes: _hashes, signatures: _signatures, ...bare } = model.pdu;
    const joined = helper.event(
      {
        type: bare.type,
        sender: member,
        stateKey: member,
        content: bare.content,
        roomId: room.roomId,
        prevEvents: bare.prev_events,
        authEvents: bare.auth_events,
        depth: bare.depth,
        originServerTs: bare.origin_server_ts,
      },
      '12',
    );
    room.take(joined.pdu);
    talk(room, 30);
    server.on('GET', backfillOf(room), () => ({ pdus: [] }));
    helper.on('GET', backfillOf(room), ({ query }) => {
      const all = [...room.entries.keys()].toReversed();
      const from = Math.min(...query.getAll('v').map((id) => all.indexOf(id as EventId)));
      const page = all.slice(from, from + Number(query.get('limit')));
      return { pdus: page.map((id) => room.pdu(id) as JsonObject) };
    });
    enter(world, room, 'alice');
    assert.deepEqual(ids(await walk(world, token, room)), [...room.entries.keys()].toReversed());
  });
});
