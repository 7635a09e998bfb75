import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MAX_PREV_EVENTS } from '../../src/protocol/events/format.ts';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import type { RoomId } from '../../src/protocol/ids/types.ts';
import type { Outcome } from '../../src/rooms/input/input.ts';
import type { KnownRoom } from '../../src/rooms/known-rooms.ts';
import type { EventDraft } from '../../src/rooms/send/draft.ts';
import { type LocalEvent, LocalEvents } from '../../src/rooms/send/local-events.ts';
import { currentState, stateAt } from '../../src/rooms/state/current-state.ts';
import { wellKnown } from '../../src/store/interning/well-known.ts';
import type { EventNid } from '../../src/store/nids.ts';
import type { Requester } from '../../src/users/login/requester.ts';
import { millis } from '../../src/util/brand.ts';
import { defaults, openRoomWorld, type RoomWorld, worldKey } from './room-world.ts';

const message = (body: string): EventDraft => ({ type: 'm.room.message', content: { body } });
const topic = (text: string): EventDraft => ({ type: 'm.room.topic', stateKey: '', content: { topic: text } });

/** A room whose events can be put anywhere in its graph, as another server would. */
class Graph {
  readonly world: RoomWorld;
  readonly alice: Requester;
  readonly room: KnownRoom;
  readonly #local: LocalEvents;

  private constructor(world: RoomWorld, alice: Requester, roomId: RoomId) {
    this.world = world;
    this.alice = alice;
    this.room = world.rooms.known.get(roomId);
    const signer = { serverName: asServerName('localhost'), key: worldKey };
    this.#local = new LocalEvents({ ...world.store, ...world.store.stores, signer });
  }

  static async grow(world: RoomWorld, version = '11'): Promise<Graph> {
    const alice = world.person('alice');
    return new Graph(world, alice, await world.rooms.creation.createRoom(alice, { ...defaults, version }));
  }

  get ends(): EventNid[] {
    return this.world.store.stores.extremities.forward(this.room.nid);
  }

  topic(): unknown {
    const sources = { ...this.world.store.stores, authEvents: this.world.rooms.authEvents };
    return currentState(sources, this.room.nid)('m.room.topic', '')?.content['topic'];
  }

  build(draft: EventDraft, prevEvents: readonly EventNid[]): LocalEvent {
    const { db, stores } = this.world.store;
    return db.write<LocalEvent>(() => {
      const before = this.world.rooms.stateEngine.stateBefore(this.room, prevEvents);
      assert.ok(before);
      const state = stateAt({ ...stores, authEvents: this.world.rooms.authEvents }, before);
      return this.#local.build(this.alice.userId, draft, { ...this.room, prevEvents, state });
    });
  }

  put(event: LocalEvent, outcome: Outcome = 'accepted'): EventNid {
    const { db, stores } = this.world.store;
    const { input, stateEngine } = this.world.rooms;
    return db.write<EventNid>(() => {
      const nid = stores.interning.event(event.eventId);
      const before = outcome === 'outlier' ? undefined : stateEngine.stateBefore(this.room, event.prevEvents);
      const { prevEvents, authEvents } = event;
      input.commit({
        room: this.room.nid,
        rules: this.room.rules,
        event,
        nid,
        outcome,
        before,
        prevEvents,
        authEvents,
      });
      return nid;
    });
  }

  /** How many lines and how many state changes the database has, and how many of these are on the main line. */
  rows(): { lines: number; changes: number; onMain: number } {
    const { db, stores } = this.world.store;
    const count = (sql: string, ...values: number[]) =>
      db
        .prepare<number[], number>(sql)
        .pluck()
        .get(...values) ?? 0;
    return {
      lines: count('SELECT count(*) FROM line'),
      changes: count('SELECT count(*) FROM state_change'),
      onMain: count('SELECT count(*) FROM state_change WHERE line = ?', stores.roomState.tip(this.room.nid).line),
    };
  }

  /** What `work` adds to these. */
  added(work: () => void): { lines: number; changes: number; onMain: number } {
    const before = this.rows();
    work();
    const after = this.rows();
    return {
      lines: after.lines - before.lines,
      changes: after.changes - before.changes,
      onMain: after.onMain - before.onMain,
    };
  }

  say(draft: EventDraft): Promise<string> {
    return this.world.rooms.sending.send(this.alice, this.room.roomId, draft);
  }
}

describe('the commit of events', () => {
  it('resolves forks, and a local event joins their ends', async () => {
    await using world = openRoomWorld();
    const graph = await Graph.grow(world);
    const base = graph.ends;
    const left = graph.put(graph.build(topic('left'), base));
    assert.equal(graph.topic(), 'left');
    world.store.clock.advance(1000);
    const right = graph.put(graph.build(topic('right'), base));
    assert.deepEqual(graph.ends, [left, right]);
    const resolved = graph.topic();
    await graph.say(message('after'));
    const joined = world.observed.at(-1);
    assert.equal(joined?.pdu.prev_events.length, 2);
    assert.deepEqual(graph.ends, [joined?.row.nid]);
    assert.equal(graph.topic(), resolved);
    await world.rooms.sending.sendState(graph.alice, graph.room.roomId, { ...topic('new'), stateKey: '' });
    assert.equal(graph.topic(), 'new');
  });

  it('cites at most 20 ends, and needs few events to join any number', async () => {
    await using world = openRoomWorld();
    const graph = await Graph.grow(world);
    const base = graph.ends;
    for (let at = 0; at < 45; at++) {
      const draft = at % 9 === 0 ? topic(`t${at}`) : message(`m${at}`);
      graph.put(graph.build(draft, base));
    }
    assert.equal(graph.ends.length, 45);
    const counts: number[] = [];
    for (let at = 0; at < 3; at++) {
      await graph.say(message('joining'));
      assert.ok((world.observed.at(-1)?.pdu.prev_events.length ?? 0) <= MAX_PREV_EVENTS);
      counts.push(graph.ends.length);
    }
    assert.deepEqual(counts, [26, 7, 1]);
  });

  for (const outcome of ['soft-failed', 'rejected', 'outlier'] as const) {
    it(`keeps ${outcome} events out of sight, of the state and of the ends`, async () => {
      await using world = openRoomWorld();
      const graph = await Graph.grow(world);
      const ends = graph.ends;
      const before = world.observed.length;
      const event = graph.build(topic('unseen'), ends);
      const nid = graph.put(event, outcome);
      const row = world.store.stores.events.row(nid);
      assert.deepEqual([row?.pos, row?.segment, row?.idx], [null, null, null]);
      assert.equal(world.store.stores.events.canonical(nid), event.canonical);
      assert.deepEqual(graph.ends, ends);
      assert.equal(graph.topic(), undefined);
      assert.equal(world.observed.length, before);
      const { reading } = world.rooms;
      assert.throws(() => reading.event(graph.alice, graph.room.roomId, event.eventId), { errcode: 'M_NOT_FOUND' });
    });
  }

  it('shows an event by the state it was sent in, however late it comes', async () => {
    await using world = openRoomWorld();
    const graph = await Graph.grow(world);
    const { membership, reading, sending } = world.rooms;
    const [bob, { roomId }] = [world.person('bob'), graph.room];
    const visibility = { type: 'm.room.history_visibility', stateKey: '', content: { history_visibility: 'joined' } };
    await sending.sendState(graph.alice, roomId, visibility);
    const before = graph.ends;
    await membership.invite(graph.alice, roomId, bob.userId);
    await membership.join(bob, roomId);
    const late = graph.build(message('said before the join'), before);
    graph.put(late);
    assert.ok(reading.event(graph.alice, roomId, late.eventId));
    assert.throws(() => reading.event(bob, roomId, late.eventId), { errcode: 'M_NOT_FOUND' });
  });

  it('applies a redaction that came before its target', async () => {
    await using world = openRoomWorld();
    const graph = await Graph.grow(world);
    const target = graph.build(message('secret'), graph.ends);
    graph.put(graph.build({ type: 'm.room.redaction', content: {}, redacts: target.eventId }, graph.ends));
    graph.put(target);
    const { content, unsigned } = JSON.parse(
      world.rooms.reading.event(graph.alice, graph.room.roomId, target.eventId),
    ) as { content: object; unsigned: { redacted_because: { type: string } } };
    assert.deepEqual(content, {});
    assert.equal(unsigned.redacted_because.type, 'm.room.redaction');
  });

  it('leaves nothing behind when an observer throws, not in memory either', async () => {
    await using world = openRoomWorld();
    const alice = world.person('alice');
    world.onEvent = ({ pdu }) => {
      if (pdu.type === 'm.room.name') throw new Error('no');
    };
    const failing = world.rooms.creation.createRoom(alice, { ...defaults, version: '11', name: 'x' });
    await assert.rejects(failing, /no/);
    assert.deepEqual(world.rooms.membership.joinedRooms(alice), []);
    // The numbers of the first try are given out again: nothing may be remembered under them.
    const bob = world.person('bob');
    const roomId = await world.rooms.creation.createRoom(bob, { ...defaults, version: '11', topic: 'y' });
    await world.rooms.sending.send(bob, roomId, message('works'));
    assert.equal(JSON.parse([...world.rooms.reading.state(bob, roomId)].join('')).length, 7);
  });
});

describe('the state log, by the commit of events', () => {
  const name = (text: string): EventDraft => ({ type: 'm.room.name', stateKey: '', content: { name: text } });
  const nothing = { lines: 0, changes: 0, onMain: 0 };

  it('gets no row for a message, one for a state event', async () => {
    await using world = openRoomWorld();
    const graph = await Graph.grow(world);
    assert.deepEqual(
      graph.added(() => graph.put(graph.build(message('hello'), graph.ends))),
      nothing,
    );
    assert.deepEqual(
      graph.added(() => graph.put(graph.build(topic('one'), graph.ends))),
      { lines: 0, changes: 1, onMain: 1 },
    );
  });

  it('gets for a fork only what differs there, and for its merge only what changes', async () => {
    await using world = openRoomWorld();
    const graph = await Graph.grow(world);
    const base = graph.ends;
    graph.put(graph.build(topic('left'), base));
    const right = graph.build(name('right'), base);
    assert.deepEqual(
      graph.added(() => graph.put(right)),
      { lines: 1, changes: 2, onMain: 1 },
      'one on the fork, one on the main line',
    );
    const side = graph.build(message('on the left side, without a state of its own'), base);
    assert.deepEqual(
      graph.added(() => graph.put(side)),
      nothing,
    );
    const joining = graph.build(message('joins all ends'), graph.ends);
    assert.deepEqual(
      graph.added(() => graph.put(joining)),
      nothing,
      'the state before it is the current one',
    );
    assert.equal(graph.topic(), 'left');
  });

  it('gets a fork for a soft-failed state event, at a position that no reader meets', async () => {
    await using world = openRoomWorld();
    const graph = await Graph.grow(world);
    const { streams, notifier, clock } = world.store;
    const { stores } = world.store;
    const room = graph.room.nid;
    const tip = stores.roomState.tip(room);
    const before = streams.now();
    const event = graph.build(topic('unseen'), graph.ends);
    const waiting = notifier.wait(graph.alice.user, before, millis(1000));
    let nid: EventNid | undefined;
    const added = graph.added(() => {
      nid = graph.put(event, 'soft-failed');
    });
    assert.deepEqual(added, { lines: 1, changes: 1, onMain: 0 });
    const after = nid === undefined ? undefined : world.rooms.stateEngine.stateAfter(nid);
    assert.ok(after !== undefined && after.pos > before && after.line !== tip.line);
    const now = streams.now();
    assert.deepEqual(stores.roomState.tip(room), tip);
    assert.deepEqual(stores.stateLog.changesBetween(tip.line, before, now), []);
    assert.deepEqual(stores.timeline.live(room, before, now, 10), { events: [], limited: false });
    assert.deepEqual(stores.timeline.stream(before, now, 10), []);
    assert.equal(stores.stateLog.lineAt(room, now), tip.line);
    clock.advance(1000);
    assert.equal(await waiting, 'timeout');
    // What follows it on the fork sees it; a local event, which does not, goes on from the main line.
    const onFork = graph.build(name('on the fork'), [nid as EventNid]);
    graph.put(onFork, 'soft-failed');
    assert.deepEqual(
      graph.added(() => graph.put(graph.build(name('ours'), graph.ends))),
      { lines: 0, changes: 1, onMain: 1 },
    );
    assert.equal(graph.topic(), undefined);
  });

  it('gets nothing from a redaction, which changes what a state event says and not which one it is', async () => {
    await using world = openRoomWorld();
    const graph = await Graph.grow(world);
    const { stores } = world.store;
    const event = graph.build(topic('secret'), graph.ends);
    const target = graph.put(event);
    assert.equal(graph.topic(), 'secret');
    while (stores.bodyPacker.packSome(100) > 0);
    assert.deepEqual(
      graph.added(() =>
        graph.put(graph.build({ type: 'm.room.redaction', content: {}, redacts: event.eventId }, graph.ends)),
      ),
      nothing,
    );
    assert.equal(graph.topic(), undefined);
    assert.doesNotMatch(stores.events.canonical(target), /secret/);
    assert.equal(stores.roomState.current(graph.room.nid, wellKnown.stateKeys.topic), target);
  });

  it('gets nothing from a rejected state event', async () => {
    await using world = openRoomWorld();
    const graph = await Graph.grow(world);
    assert.deepEqual(
      graph.added(() => graph.put(graph.build(topic('never'), graph.ends), 'rejected')),
      nothing,
    );
  });
});
