import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EventId } from '../../../src/protocol/ids/types.ts';
import { eventFlags } from '../../../src/store/events/flags.ts';
import type { ScriptedDraft } from '../../support/federation/scripted-room.ts';
import type { ScriptedServer } from '../../support/federation/scripted-server.ts';
import { Universe } from '../../support/servers/universe.ts';
import { joins, PartialStage } from './partial-world.ts';

const said = (body: string) => ({ type: 'm.room.message', content: { msgtype: 'm.text', body } });

/** Somebody says or does something at the end of the room, and tells us. */
async function tells(stage: PartialStage, by: ScriptedServer, draft: ScriptedDraft): Promise<EventId> {
  const event = stage.room.add({ by, ...draft });
  const { status, json } = await by.send('a.test', [event.pdu]);
  assert.equal(status, 200, JSON.stringify(json));
  return event.eventId;
}

function flagsOf(stage: PartialStage, id: EventId): number | undefined {
  const { events, interning } = stage.world.hs.stores;
  const nid = interning.findEvent(id);
  return nid === undefined ? undefined : events.row(nid)?.flags;
}

async function seen(stage: PartialStage, id: EventId): Promise<boolean> {
  const { chunk } = await stage.alice.ok('GET', `/rooms/${stage.room.roomId}/messages?dir=b&limit=50`);
  return chunk.some((event: { event_id: string }) => event.event_id === id);
}

async function entered(universe: Universe, prepare: (stage: PartialStage) => void = () => {}) {
  const stage = await PartialStage.open(universe);
  prepare(stage);
  const goOn = stage.holdState();
  await stage.join();
  assert.ok(stage.isPartial);
  return { stage, goOn };
}

const whoDoes = (server: ScriptedServer, name: string) => ({ sender: server.user(name) });

describe('events of a room whose members are not known yet', () => {
  it('are allowed by the membership that they cite themselves', async () => {
    await using universe = await Universe.open(['a.test']);
    const { stage, goOn } = await entered(universe);
    const id = await tells(stage, stage.y, { ...said('hello'), ...whoDoes(stage.y, 'n3') });
    assert.equal(flagsOf(stage, id), eventFlags.PARTIAL_AUTH);
    assert.ok(await seen(stage, id));
    goOn();
    await stage.complete();
    assert.equal(flagsOf(stage, id), 0);
    assert.ok(await seen(stage, id));
  });

  it('change the state at once, and what the members were before does not undo that', async () => {
    await using universe = await Universe.open(['a.test']);
    const { stage, goOn } = await entered(universe);
    const leaver = stage.y.user('n3');
    await tells(stage, stage.y, {
      type: 'm.room.member',
      sender: leaver,
      stateKey: leaver,
      content: { membership: 'leave' },
    });
    const topic = await tells(stage, stage.x, { type: 'm.room.topic', stateKey: '', content: { topic: 'new' } });
    assert.equal(stage.current('m.room.topic'), topic);
    goOn();
    await stage.complete();
    assert.equal(stage.members().length, 20);
    assert.ok(!stage.members().includes(leaver));
    assert.equal(stage.current('m.room.topic'), topic);
  });

  it('may follow the one event that the join cites', async () => {
    await using universe = await Universe.open(['a.test']);
    let before: readonly EventId[] = [];
    const { stage, goOn } = await entered(universe, ({ room }) => (before = room.ends));
    const id = await tells(stage, stage.y, { ...said('beside'), ...whoDoes(stage.y, 'n3'), prevEvents: before });
    assert.equal(flagsOf(stage, id), eventFlags.PARTIAL_AUTH);
    goOn();
    await stage.complete();
    assert.equal(flagsOf(stage, id), 0);
  });

  it('wait for the members if the state before them is not known', async () => {
    await using universe = await Universe.open(['a.test']);
    let older: readonly EventId[] = [];
    const { stage, goOn } = await entered(universe, ({ room, x }) => {
      older = room.ends;
      joins(room, x, 'newer');
    });
    const id = await tells(stage, stage.y, { ...said('beside'), ...whoDoes(stage.y, 'n3'), prevEvents: older });
    assert.equal(flagsOf(stage, id), undefined);
    assert.deepEqual(
      universe.calls.filter(({ uri }) => uri.includes('/state_ids/')),
      [],
    );
    goOn();
    await stage.complete();
    await universe.until(() => {
      universe.clock.advance(1_000);
      return flagsOf(stage, id) === 0;
    }, 'that it is judged');
  });

  it('are taken back if it turns out that their sender was banned', async () => {
    await using universe = await Universe.open(['a.test']);
    let membership: EventId | undefined;
    const { stage, goOn } = await entered(universe, ({ room, y }) => {
      const banned = y.user('n3');
      membership = room.current('m.room.member', banned);
      room.add({ type: 'm.room.member', stateKey: banned, content: { membership: 'ban' } });
    });
    const { room, y } = stage;
    const cited = ['m.room.create', 'm.room.power_levels'].map((type) => room.current(type) as EventId);
    const authEvents = [...cited, membership as EventId];
    const evil = await tells(stage, y, { ...said('I am here'), ...whoDoes(y, 'n3'), authEvents });
    const after = await tells(stage, y, { ...said('no answer'), ...whoDoes(y, 'n4') });
    assert.ok(await seen(stage, evil));
    goOn();
    await stage.complete();
    assert.equal(flagsOf(stage, evil), eventFlags.REJECTED);
    assert.equal(flagsOf(stage, after), 0);
    assert.ok(!(await seen(stage, evil)));
    assert.ok(await seen(stage, after));
  });

  it('take what they changed of the state with them', async () => {
    await using universe = await Universe.open(['a.test']);
    let membership: EventId | undefined;
    const { stage, goOn } = await entered(universe, ({ room, y }) => {
      const banned = y.user('n3');
      const users = { [room.creator]: 100, [banned]: 100 };
      room.add({ type: 'm.room.power_levels', stateKey: '', content: { users } });
      membership = room.current('m.room.member', banned);
      room.add({ type: 'm.room.topic', stateKey: '', content: { topic: 'ours' } });
      room.add({ type: 'm.room.member', stateKey: banned, sender: banned, content: { membership: 'leave' }, by: y });
    });
    const { room, x, y } = stage;
    const topic = room.current('m.room.topic');
    const cited = ['m.room.create', 'm.room.power_levels'].map((type) => room.current(type) as EventId);
    const evil = await tells(stage, y, {
      type: 'm.room.topic',
      stateKey: '',
      content: { topic: 'theirs' },
      ...whoDoes(y, 'n3'),
      authEvents: [...cited, membership as EventId],
    });
    const name = await tells(stage, x, { type: 'm.room.name', stateKey: '', content: { name: 'later' } });
    assert.equal(stage.current('m.room.topic'), evil);
    const said = await stage.alice.say(room.roomId, 'what is that?');
    goOn();
    await stage.complete();
    assert.equal(flagsOf(stage, evil), eventFlags.REJECTED);
    assert.equal(stage.current('m.room.topic'), topic);
    assert.equal(stage.current('m.room.name'), name);
    assert.equal(flagsOf(stage, said as EventId), 0);
    const next = await tells(stage, x, { type: 'm.room.avatar', stateKey: '', content: {}, prevEvents: [name] });
    assert.equal(stage.current('m.room.avatar'), next);
    assert.equal(stage.current('m.room.topic'), topic);
  });

  it('are sent to all servers that are said to be in the room', async () => {
    await using universe = await Universe.open(['a.test']);
    const { stage, goOn } = await entered(universe);
    const got: string[] = [];
    for (const server of [stage.x, stage.y]) {
      server.on('PUT', '/_matrix/federation/v1/send/{}', ({ body }) => {
        for (const { type } of body.pdus) if (type === 'm.room.message') got.push(server.name);
        return { pdus: {} };
      });
    }
    await stage.alice.say(stage.room.roomId, 'hello');
    await universe.until(() => got.length === 2, 'that both hear of it');
    assert.deepEqual(got.sort(), ['x.test', 'y.test']);
    goOn();
    await stage.complete();
  });
});
