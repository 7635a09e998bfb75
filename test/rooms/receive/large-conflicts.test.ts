import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { BuiltEvent } from '../../../src/protocol/events/build.ts';
import type { EventId } from '../../../src/protocol/ids/types.ts';
import { Universe } from '../../support/servers/universe.ts';
import { SharedRoom } from './shared-room.ts';

const count = 120;

/** Turns that both sides of a fork have given to each of very many keys. */
class Quarrel {
  readonly room: SharedRoom;
  readonly fork: readonly EventId[];
  ours: EventId;
  theirs: EventId;

  private constructor(room: SharedRoom, fork: readonly EventId[], ends: readonly [EventId, EventId]) {
    this.room = room;
    this.fork = fork;
    [this.ours, this.theirs] = ends;
  }

  static async begin(universe: Universe): Promise<Quarrel> {
    const room = await SharedRoom.open(universe.world('a.test'), universe.script('b.test'), '10');
    const { scripted } = room;
    await room.send(
      scripted.add({
        type: 'm.room.power_levels',
        stateKey: '',
        content: { users: { [scripted.creator]: 100, [room.alice]: 100 }, state_default: 0 },
      }),
    );
    const fork = scripted.ends;
    let ours = fork[0] as EventId;
    for (let index = 0; index < count; index++) ours = room.local('org.test.turn', { ours: index }, String(index));
    const events: BuiltEvent[] = [];
    let ends = fork;
    for (let index = 0; index < count; index++) {
      const event = scripted.build({
        type: 'org.test.turn',
        stateKey: String(index),
        content: { theirs: index },
        prevEvents: ends,
        ts: room.world.clock.now() + 1000 + index,
      });
      scripted.take(event.pdu);
      events.push(event);
      ends = [event.eventId];
    }
    for (let at = 0; at < count; at += 50) await room.send(...events.slice(at, at + 50));
    return new Quarrel(room, fork, [ours, ends[0] as EventId]);
  }

  /** Of the keys, how many are as they were said last by them. */
  won(): number {
    const state = this.room.state();
    let won = 0;
    for (let index = 0; index < count; index++) {
      const id = state.get(`org.test.turn|${index}`);
      if (id !== undefined && this.room.scripted.pdu(id).content['theirs'] === index) won++;
    }
    return won;
  }

  async settled(): Promise<void> {
    const { services, stores } = this.room.world.hs;
    const { nid } = services.rooms.known.get(this.room.scripted.roomId);
    for (let tries = 0; tries < 500 && stores.unsettled.has(nid); tries++) {
      this.room.world.clock.advance(1000);
      await pause(10);
    }
    assert.equal(stores.unsettled.has(nid), false, 'the room is never settled');
  }
}

describe('a fork that disagrees with us on very much', () => {
  it('is resolved beside the main thread, while the room goes on in the state it had', async () => {
    await using universe = await Universe.open(['a.test']);
    const quarrel = await Quarrel.begin(universe);
    const { room } = quarrel;
    assert.ok(quarrel.won() < count);
    const said = room.local('m.room.message', { body: 'going on' });
    assert.equal(room.stored(said), 'accepted');
    await quarrel.settled();
    // What was said last is what holds, as nobody had more power.
    assert.equal(quarrel.won(), count);
    const both = room.local('m.room.message', { body: 'both sides' });
    assert.deepEqual(room.ends(), [both]);
  });

  it('is resolved before an event is judged that follows both sides', async () => {
    await using universe = await Universe.open(['a.test']);
    const quarrel = await Quarrel.begin(universe);
    const { room } = quarrel;
    const joined = room.scripted.build({
      type: 'm.room.message',
      content: { body: 'peace' },
      prevEvents: [quarrel.ours, quarrel.theirs],
    });
    await room.send(joined);
    assert.equal(room.stored(joined.eventId), 'accepted');
    await quarrel.settled();
    assert.equal(quarrel.won(), count);
    assert.deepEqual(room.ends(), [joined.eventId]);
  });

  it('is resolved after a restart, if the server ended before', async () => {
    await using universe = await Universe.open(['a.test']);
    const quarrel = await Quarrel.begin(universe);
    const { roomId } = quarrel.room.scripted;
    await universe.restart('a.test');
    const world = universe.world('a.test');
    const { services, stores } = world.hs;
    const { nid } = services.rooms.known.get(roomId);
    for (let tries = 0; tries < 500 && stores.unsettled.has(nid); tries++) {
      world.clock.advance(1000);
      await pause(10);
    }
    const key = stores.interning.findStateKey('org.test.turn', '5');
    const event = key === undefined ? undefined : stores.roomState.current(nid, key);
    assert.equal(
      event === undefined ? undefined : stores.interning.eventId(event),
      quarrel.room.scripted.current('org.test.turn', '5'),
    );
  });
});

describe('an event that follows states which cannot be resolved', () => {
  const minute = 60_000;

  /** As if the states disagreed on more than is ever resolved. */
  const unresolvable = ({ room }: Quarrel) => {
    const { resolutions } = room.world.hs.services.rooms;
    const prepare = resolutions.prepare.bind(resolutions);
    let asked = 0;
    resolutions.prepare = () => {
      asked++;
      return Promise.resolve(false);
    };
    return {
      asked: () => asked,
      end: () => {
        resolutions.prepare = prepare;
      },
    };
  };

  const following = ({ room, ours, theirs }: Quarrel) =>
    room.scripted.build({ type: 'm.room.message', content: { body: 'peace' }, prevEvents: [ours, theirs] });

  it('waits, is not tried with each event that comes in, and is taken when they can be', async () => {
    await using universe = await Universe.open(['a.test']);
    const quarrel = await Quarrel.begin(universe);
    const { room } = quarrel;
    await quarrel.settled();
    const { asked, end } = unresolvable(quarrel);
    const event = following(quarrel);
    assert.deepEqual(await room.send(event), { [event.eventId]: {} });
    assert.equal(room.stored(event.eventId), 'deferred');
    const before = asked();
    const other = { type: 'm.room.message', content: { body: 'more' }, prevEvents: [quarrel.theirs] };
    await room.send(room.scripted.build(other));
    assert.equal(asked(), before);
    universe.clock.advance(9 * minute);
    assert.equal(asked(), before);
    universe.clock.advance(2 * minute);
    await universe.until(() => asked() > before, 'that it is tried again');
    end();
    universe.clock.advance(21 * minute);
    await universe.until(() => room.stored(event.eventId) === 'accepted', 'that it is taken');
  });

  it('is given up after nine tries', async () => {
    await using universe = await Universe.open(['a.test']);
    const quarrel = await Quarrel.begin(universe);
    const { room } = quarrel;
    await quarrel.settled();
    const { asked } = unresolvable(quarrel);
    const event = following(quarrel);
    await room.send(event);
    for (let tries = 1; tries < 9; tries++) {
      const before = asked();
      universe.clock.advance(61 * minute);
      await universe.until(() => asked() > before, 'that it is tried again');
    }
    await universe.until(() => {
      universe.clock.advance(61 * minute);
      return room.stored(event.eventId) === 'unknown';
    }, 'that it is given up');
  });
});

describe('the events of a transaction on a fork', () => {
  it('are resolved once, unless one looks at what the others change', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await SharedRoom.open(universe.world('a.test'), universe.script('b.test'), '10');
    const { scripted } = room;
    const fork = scripted.ends;
    room.local('m.room.message', { body: 'ours' });
    const resolutions = () => room.world.hs.services.rooms.stateEngine.resolutions;
    const user = (name: string) => scripted.server.user(name);
    const chain = (drafts: readonly Parameters<typeof scripted.build>[0][]): BuiltEvent[] => {
      let ends = fork;
      return drafts.map((draft) => {
        const event = scripted.build({ ...draft, prevEvents: ends });
        scripted.take(event.pdu);
        ends = [event.eventId];
        return event;
      });
    };
    const join = (name: string) => ({
      type: 'm.room.member',
      sender: user(name),
      stateKey: user(name),
      content: { membership: 'join' },
    });
    const names = Array.from({ length: 30 }, (_, index) => `user${index}`);
    let before = resolutions();
    const joins = chain(names.map(join));
    await room.send(...joins);
    assert.equal(resolutions() - before, 1);
    for (const name of names) assert.ok(room.state().has(`m.room.member|${user(name)}`));
    before = resolutions();
    const later = Array.from({ length: 10 }, (_, index) => join(`later${index}`));
    const hello = { type: 'm.room.message', sender: user('late'), content: { body: 'hello' } };
    const more = chain([join('late'), hello, ...later]);
    await room.send(...more);
    assert.deepEqual([...new Set(more.map(({ eventId }) => room.stored(eventId)))], ['accepted']);
    assert.equal(resolutions() - before, 3);
    for (const { sender } of later) assert.ok(room.state().has(`m.room.member|${sender}`));
  });
});
