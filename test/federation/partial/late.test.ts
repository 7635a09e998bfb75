import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EventId } from '../../../src/protocol/ids/types.ts';
import { eventFlags } from '../../../src/store/events/flags.ts';
import type { ScriptedDraft } from '../../support/federation/scripted-room.ts';
import type { ScriptedServer } from '../../support/federation/scripted-server.ts';
import { Universe } from '../../support/servers/universe.ts';
import { Guest } from '../joining/joining-world.ts';
import { PartialStage } from './partial-world.ts';

const enc = encodeURIComponent;
const message = (body: string, more: object = {}) => ({
  type: 'm.room.message',
  content: { msgtype: 'm.text', body, ...more },
});
const relating = (rel: string, event: string, more: object = {}) => ({
  'm.relates_to': { rel_type: rel, event_id: event, ...more },
});

/**
 * Alice has come into a room whose members are still missing. Somebody who left it before, and had every right, still says
 * and does things there as if not: that is believed until the members are here.
 */
class Deceived {
  readonly stage: PartialStage;
  readonly goOn: () => void;
  /** What the deceiver's events cite. */
  readonly #cites: readonly EventId[];
  /** A message of a member, which alice has read, with a thread of its own. */
  readonly honest: EventId;
  readonly threaded: EventId;
  /** A message that alice has not read, and that says her name. */
  readonly calling: EventId;
  readonly reaction: EventId;

  private constructor(parts: Pick<Deceived, 'stage' | 'goOn'>, cites: readonly EventId[], said: readonly EventId[]) {
    this.stage = parts.stage;
    this.goOn = parts.goOn;
    this.#cites = cites;
    [this.honest, this.threaded, this.reaction, this.calling] = said as [EventId, EventId, EventId, EventId];
  }

  static async open(universe: Universe): Promise<Deceived> {
    const stage = await PartialStage.open(universe);
    const { room, x, y } = stage;
    const gone = y.user('n3');
    room.add({ type: 'm.room.power_levels', stateKey: '', content: { users: { [room.creator]: 100, [gone]: 100 } } });
    const cites = ['m.room.create', 'm.room.power_levels'].map((type) => room.current(type) as EventId);
    cites.push(room.current('m.room.member', gone) as EventId);
    room.add({ type: 'm.room.member', stateKey: gone, sender: gone, content: { membership: 'leave' }, by: y });
    const goOn = stage.holdState();
    await stage.join();
    const honest = await tells(stage, x, message('the honest apple'));
    const threaded = await tells(stage, x, message('in a thread', relating('m.thread', honest)));
    const reaction = await tells(stage, x, {
      type: 'm.reaction',
      content: relating('m.annotation', honest, { key: '👍' }),
    });
    const path = `/rooms/${enc(room.roomId)}`;
    await stage.alice.ok('POST', `${path}/receipt/m.read/${enc(reaction)}`, {});
    await stage.alice.ok('POST', `${path}/read_markers`, { 'm.fully_read': reaction });
    const calling = await tells(stage, x, message('hello alice', { 'm.mentions': { user_ids: [stage.alice.userId] } }));
    return new Deceived({ stage, goOn }, cites, [honest, threaded, reaction, calling]);
  }

  /** As the one who left. */
  deceives(draft: ScriptedDraft): Promise<EventId> {
    const { y } = this.stage;
    return tells(this.stage, y, { ...draft, sender: y.user('n3'), authEvents: [...this.#cites] });
  }

  /** As a member. */
  says(draft: ScriptedDraft): Promise<EventId> {
    const { y } = this.stage;
    return tells(this.stage, y, { sender: y.user('n4'), ...draft });
  }

  /** The members come. */
  async complete(): Promise<void> {
    this.goOn();
    await this.stage.complete();
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- answers of every form
  ask(path: string, version?: string): Promise<any> {
    const { alice, room } = this.stage;
    return alice.call('GET', `/rooms/${enc(room.roomId)}${path}`, undefined, version).then(({ json }) => json);
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- answers of every form
  async joined(since?: string): Promise<any> {
    const filter = enc(
      '{"room":{"state":{"lazy_load_members":true},"timeline":{"limit":50,"unread_thread_notifications":true}}}',
    );
    const { rooms, next_batch: token } = await this.stage.alice.sync(since, `&filter=${filter}`);
    return { ...rooms?.join?.[this.stage.room.roomId], token };
  }

  async found(text: string): Promise<number> {
    const body = { search_categories: { room_events: { search_term: text } } };
    return (await this.stage.alice.ok('POST', '/search', body)).search_categories.room_events.count;
  }

  flags(id: EventId): number | undefined {
    const { events, interning } = this.stage.world.hs.stores;
    const nid = interning.findEvent(id);
    return nid === undefined ? undefined : events.row(nid)?.flags;
  }
}

async function tells(stage: PartialStage, by: ScriptedServer, draft: ScriptedDraft): Promise<EventId> {
  const event = stage.room.add({ by, ...draft });
  const { status, json } = await by.send('a.test', [event.pdu]);
  assert.equal(status, 200, JSON.stringify(json));
  return event.eventId;
}

// oxlint-disable-next-line typescript/no-explicit-any -- events of every form
const withoutAge = ({ unsigned, ...event }: any) => ({ ...event, unsigned: { ...unsigned, age: undefined } });

interface Trace {
  readonly of: string;
  readonly draft: (world: Deceived) => ScriptedDraft;
  /** What a client is told. */
  readonly look: (world: Deceived) => Promise<unknown>;
  /** What the client is told in the end, unless that is the same as before. */
  readonly expected?: (world: Deceived) => unknown;
  /** What alice does once she has seen it. */
  readonly reads?: (world: Deceived, event: EventId) => Promise<unknown>;
}

const mention = ({ stage }: Deceived) => message('alice!', { 'm.mentions': { user_ids: [stage.alice.userId] } });
const event = (id: (world: Deceived) => EventId) => async (world: Deceived) => {
  const { content, unsigned } = await world.ask(`/event/${enc(id(world))}`);
  return { content, relations: unsigned['m.relations'], because: unsigned.redacted_because?.event_id };
};
const redacts = (id: (world: Deceived) => EventId) => (world: Deceived) => ({
  type: 'm.room.redaction',
  content: { redacts: id(world) },
});
const markers = async (world: Deceived) => {
  const { ephemeral, account_data: data } = await world.joined();
  // oxlint-disable-next-line typescript/no-explicit-any -- events of every form
  const of = (events: any[], type: string) => events.find((each) => each.type === type)?.content;
  // One event for each kind of them.
  // oxlint-disable-next-line typescript/no-explicit-any -- events of every form
  const told = ephemeral.events.filter((each: any) => each.type === 'm.receipt').map((each: any) => each.content);
  const receipts = Object.assign({}, ...told);
  const at = Object.keys(receipts).filter((id) => world.stage.alice.userId in (receipts[id]['m.read'] ?? {}));
  return { at, fullyRead: of(data.events, 'm.fully_read') };
};

let zoes = 0;

const traces: readonly Trace[] = [
  {
    of: 'unread counts and highlights',
    draft: mention,
    look: async (world) => (await world.joined()).unread_notifications,
  },
  {
    of: 'unread counts of threads',
    draft: ({ honest, ...world }) =>
      message('alice!', {
        'm.mentions': { user_ids: [world.stage.alice.userId] },
        ...relating('m.thread', honest),
      }),
    look: async (world) => (await world.joined()).unread_thread_notifications,
  },
  {
    of: 'the list of notifications',
    draft: mention,
    look: async ({ stage }) =>
      (await stage.alice.ok('GET', '/notifications')).notifications.map(
        (each: { event: { event_id: string } }) => each.event.event_id,
      ),
  },
  { of: 'search', draft: () => message('a poisoned apple'), look: (world) => world.found('apple') },
  {
    of: 'reactions',
    draft: ({ honest }) => ({ type: 'm.reaction', content: relating('m.annotation', honest, { key: '👎' }) }),
    look: async (world) =>
      (await world.ask(`/relations/${enc(world.honest)}/m.annotation`, 'v1')).chunk.map(withoutAge),
  },
  {
    of: 'replies in threads',
    draft: ({ honest }) => message('in between', relating('m.thread', honest)),
    look: async (world) => (await world.ask('/threads', 'v1')).chunk[0].unsigned['m.relations']['m.thread'].count,
  },
  {
    of: 'new threads',
    draft: ({ reaction, calling }) => message('in between', relating('m.thread', calling ?? reaction)),
    look: async (world) => (await world.ask('/threads', 'v1')).chunk.length,
  },
  {
    of: 'what may be read',
    draft: () => message('I am here'),
    look: async (world) => (await world.ask('/messages?dir=b&limit=50')).chunk.map(withoutAge),
  },
  {
    of: 'redactions of messages',
    draft: redacts(({ honest }) => honest),
    look: event(({ honest }) => honest),
  },
  {
    of: 'redactions, in search',
    draft: redacts(({ honest }) => honest),
    look: (world) => world.found('apple'),
  },
  {
    of: 'redactions of reactions',
    draft: redacts(({ reaction }) => reaction),
    look: async (world) => (await world.ask(`/relations/${enc(world.honest)}/m.annotation`, 'v1')).chunk.length,
  },
  {
    of: 'redactions of replies in threads',
    draft: redacts(({ threaded }) => threaded),
    look: async (world) => (await world.ask('/threads', 'v1')).chunk.length,
  },
  {
    of: 'redactions of what highlights',
    draft: redacts(({ calling }) => calling),
    look: async (world) => (await world.joined()).unread_notifications.highlight_count,
  },
  {
    of: 'receipts and markers',
    draft: () => message('read me'),
    // Up to the message that says her name she has read.
    reads: async ({ stage }, id) => {
      const path = `/rooms/${enc(stage.room.roomId)}`;
      await stage.alice.ok('POST', `${path}/receipt/m.read/${enc(id)}`, {});
      await stage.alice.ok('POST', `${path}/read_markers`, { 'm.fully_read': id });
    },
    look: markers,
    expected: ({ calling }) => ({ at: [calling], fullyRead: { event_id: calling } }),
  },
  {
    of: 'receipts in threads',
    draft: ({ honest }) => message('read me', relating('m.thread', honest)),
    reads: async ({ stage, honest }, id) => {
      const path = `/rooms/${enc(stage.room.roomId)}/receipt/m.read/${enc(id)}`;
      await stage.alice.ok('POST', path, { thread_id: honest });
    },
    look: async (world) => {
      const { at } = await markers(world);
      return at.sort();
    },
    expected: ({ reaction, threaded }) => [reaction, threaded].sort(),
  },
  {
    of: 'who may find members in the user directory',
    draft: () => ({ type: 'm.room.join_rules', stateKey: '', content: { join_rule: 'invite' } }),
    look: async ({ stage }) => {
      const zoe = await Guest.register(stage.world, `zoe${zoes++}`);
      const { results } = await zoe.ok('POST', '/user_directory/search', { search_term: 'alice' });
      return results.length;
    },
  },
];

describe('what was made of an event that is rejected late', () => {
  for (const { of, draft, look, reads, expected } of traces) {
    it(`goes again: ${of}`, async () => {
      await using universe = await Universe.open(['a.test']);
      const world = await Deceived.open(universe);
      const before = await look(world);
      const id = await world.deceives(draft(world));
      await reads?.(world, id);
      assert.notDeepEqual(await look(world), before, 'it is believed at first');
      await world.complete();
      assert.equal(world.flags(id), eventFlags.REJECTED);
      assert.deepEqual(await look(world), expected?.(world) ?? before);
    });
  }

  it('goes again: what our own user could do by it, which other servers are not told any more', async () => {
    await using universe = await Universe.open(['a.test']);
    const world = await Deceived.open(universe);
    const { alice, room, x, y } = world.stage;
    const refused = () => {
      throw new Error('not now');
    };
    for (const server of [x, y]) server.on('PUT', '/_matrix/federation/v1/send/{}', refused);
    const first = await alice.say(room.roomId, 'before');
    const users = { [room.creator]: 100, [alice.userId]: 50, [y.user('n3')]: 100 };
    await world.deceives({ type: 'm.room.power_levels', stateKey: '', content: { users } });
    const { event_id: topic } = await alice.ok('PUT', `/rooms/${enc(room.roomId)}/state/m.room.topic`, {
      topic: 'mine',
    });
    const outgoing = () =>
      world.stage.world.hs.db
        .prepare<[], { event: number }>('SELECT event FROM outgoing ORDER BY pos')
        .all()
        .map(({ event: nid }) => world.stage.world.hs.stores.interning.eventId(nid as never));
    assert.deepEqual(outgoing().slice(-2), [first, topic]);
    await world.complete();
    assert.equal(world.flags(topic), eventFlags.REJECTED);
    assert.equal(world.stage.current('m.room.topic'), undefined);
    assert.equal(outgoing().at(-1), first);
    const newest = world.stage.world.hs.db
      .prepare<[number], number>('SELECT event FROM outgoing_room WHERE room = ?')
      .pluck()
      .get(world.stage.known.nid);
    assert.equal(world.stage.world.hs.stores.interning.eventId(newest as never), first);
  });

  it('leaves what a redaction did that is allowed, and what another one of the same event does', async () => {
    await using universe = await Universe.open(['a.test']);
    const world = await Deceived.open(universe);
    const { x } = world.stage;
    const allowed = await tells(world.stage, x, { type: 'm.room.redaction', content: { redacts: world.threaded } });
    await world.deceives({ type: 'm.room.redaction', content: { redacts: world.honest } });
    const second = await tells(world.stage, x, { type: 'm.room.redaction', content: { redacts: world.honest } });
    await world.complete();
    for (const [target, redaction] of [
      [world.threaded, allowed],
      [world.honest, second],
    ] as const) {
      const { content, unsigned } = await world.ask(`/event/${enc(target)}`);
      assert.deepEqual([content, unsigned.redacted_because.event_id], [{}, redaction]);
    }
    const kept = world.stage.world.hs.db.prepare<[], number>('SELECT count(*) FROM redacted_original').pluck().get();
    assert.equal(kept, 0);
  });

  it('is a redaction that only a power allowed which its sender has not got', async () => {
    await using universe = await Universe.open(['a.test']);
    const world = await Deceived.open(universe);
    const { room, y } = world.stage;
    const n4 = y.user('n4');
    const users = { [room.creator]: 100, [y.user('n3')]: 100, [n4]: 50 };
    const levels = room.current('m.room.power_levels') as EventId;
    const create = room.current('m.room.create') as EventId;
    await world.deceives({ type: 'm.room.power_levels', stateKey: '', content: { users } });
    const authEvents = [create, levels, room.current('m.room.member', n4) as EventId];
    const redaction = await world.says({ type: 'm.room.redaction', content: { redacts: world.honest }, authEvents });
    assert.deepEqual((await world.ask(`/event/${enc(world.honest)}`)).content, {});
    await world.complete();
    assert.equal(world.flags(redaction), 0);
    assert.notDeepEqual((await world.ask(`/event/${enc(world.honest)}`)).content, {});
    assert.equal(await world.found('apple'), 1);
  });
});

/** Things that a member does whom the deceiver has banned, with the auth events that the member had before. */
const arrivals: readonly Pick<Trace, 'of' | 'draft' | 'look'>[] = [
  ...traces.filter(({ of, reads }) => reads === undefined && !of.startsWith('redactions') && !of.startsWith('who may')),
  {
    of: 'redactions of messages',
    draft: redacts(({ reaction }) => reaction),
    look: event(({ reaction }) => reaction),
  },
];

describe('an event that is taken in late', () => {
  for (const { of, draft, look } of arrivals) {
    it(`comes with what is made of it: ${of}`, async () => {
      await using universe = await Universe.open(['a.test']);
      const world = await Deceived.open(universe);
      const { room, x } = world.stage;
      const member = x.user('m4');
      const authEvents = ['m.room.create', 'm.room.power_levels'].map((type) => room.current(type) as EventId);
      authEvents.push(room.current('m.room.member', member) as EventId);
      await world.deceives({ type: 'm.room.member', stateKey: member, content: { membership: 'ban' } });
      const before = await look(world);
      const id = await tells(world.stage, x, { ...draft(world), sender: member, authEvents });
      assert.equal(world.flags(id), eventFlags.REJECTED | eventFlags.PARTIAL_AUTH);
      assert.deepEqual(await look(world), before);
      const { token } = await world.joined();
      await world.complete();
      assert.equal(world.flags(id), 0);
      assert.notDeepEqual(await look(world), before);
      const { timeline } = await world.joined(token);
      const told = timeline.events.map(({ event_id }: { event_id: string }) => event_id);
      assert.ok(told.includes(id), 'clients are told of it as of what has just come in');
    });
  }
});

describe('an event that would not have been shown, had the members been known', () => {
  it('is not shown any more, and what was made of it goes; what came before the ban stays', async () => {
    await using universe = await Universe.open(['a.test']);
    const world = await Deceived.open(universe);
    const { room, x, y } = world.stage;
    const fork = room.ends;
    const n4 = y.user('n4');
    const cites = ['m.room.create', 'm.room.power_levels'].map((type) => room.current(type) as EventId);
    const authEvents = [...cites, room.current('m.room.member', n4) as EventId];
    const good = await world.says({ ...message('before the ban'), authEvents });
    const ban = await tells(world.stage, x, {
      type: 'm.room.member',
      stateKey: n4,
      content: { membership: 'ban' },
      authEvents: [...authEvents, room.current('m.room.member', room.creator) as EventId],
    });
    const before = (await world.joined()).unread_notifications;
    const evading = await world.says({ ...mention(world), authEvents, prevEvents: fork });
    const topic = await world.says({ ...message('more'), authEvents, prevEvents: [evading] });
    assert.notDeepEqual((await world.joined()).unread_notifications, before);
    await world.complete();
    assert.equal(world.flags(ban), 0);
    assert.equal(world.flags(good), 0);
    assert.equal(world.flags(evading), eventFlags.SOFT_FAILED);
    assert.equal(world.flags(topic), eventFlags.SOFT_FAILED);
    assert.deepEqual((await world.joined()).unread_notifications, before);
    assert.equal((await world.stage.alice.call('GET', `/rooms/${enc(room.roomId)}/event/${enc(evading)}`)).status, 404);
    const after = await tells(world.stage, x, message('at last'));
    assert.equal(world.flags(after), 0);
  });

  it('is shown still if what was against it was not allowed itself', async () => {
    await using universe = await Universe.open(['a.test']);
    const world = await Deceived.open(universe);
    const { room, x } = world.stage;
    const fork = room.ends;
    const member = x.user('m4');
    const cites = ['m.room.create', 'm.room.power_levels'].map((type) => room.current(type) as EventId);
    const authEvents = [...cites, room.current('m.room.member', member) as EventId];
    await world.deceives({ type: 'm.room.member', stateKey: member, content: { membership: 'ban' } });
    const id = await tells(world.stage, x, { ...message('beside'), sender: member, authEvents, prevEvents: fork });
    await world.complete();
    assert.equal(world.flags(id), 0);
  });
});
