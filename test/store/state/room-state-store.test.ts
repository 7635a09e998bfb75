import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import { MemberCheck } from '../../../src/store/check/members.ts';
import { broken } from '../../../src/store/check/queries.ts';
import { stateRules } from '../../../src/store/check/state-rules.ts';
import { type MembershipName, membershipCode, memberships } from '../../../src/store/events/membership.ts';
import type { EventNid, RoomNid, StreamPos } from '../../../src/store/nids.ts';
import type { CurrentChange } from '../../../src/store/state/room-state-store.ts';
import type { StateEntry } from '../../../src/store/state/state-log.ts';
import { Seeded } from '../../support/seeded.ts';
import { openTestStore, type TestStore } from '../../support/store.ts';

const users = ['@ann:localhost', '@bob:localhost', '@cat:remote', '@dan:remote', '@eve:third', 'no user ID'];
const fates: readonly (MembershipName | 'odd')[] = ['join', 'join', 'join', 'invite', 'knock', 'leave', 'ban', 'odd'];

/** State events in a room, as far as the room state store looks at them. */
class Events {
  readonly #store: TestStore;
  readonly room: RoomNid;
  #count = 0;

  constructor(store: TestStore, roomId: string) {
    this.#store = store;
    this.room = store.stores.interning.room(roomId);
  }

  state(type: string, skey: string, membership?: string): CurrentChange & { readonly event: EventNid } {
    const { interning, events } = this.#store.stores;
    const nid = interning.event(`$${this.room}.${this.#count++}`);
    const key = interning.stateKey(type, skey);
    events.insert({
      nid,
      room: this.room,
      type: interning.type(type),
      sender: interning.user('@ann:localhost'),
      stateKey: key,
      depth: 1,
      ts: 1,
      flags: 0,
      membership: membershipCode(membership),
      canonical: '{}',
      parents: [],
    });
    return { key, event: nid };
  }

  member(user: string, membership: string): CurrentChange & { readonly event: EventNid } {
    return this.state('m.room.member', user, membership);
  }
}

function assertConsistent(store: TestStore): void {
  const problems = [...broken(store.db, stateRules), ...new MemberCheck(store.db, asServerName('localhost')).run()];
  assert.deepEqual(problems, []);
}

/** Inside a write: a room with an empty state. */
function open(store: TestStore, roomId = '!r:localhost'): Events {
  const events = new Events(store, roomId);
  store.stores.roomState.createRoom(events.room, '12', store.streams.next());
  return events;
}

describe('RoomStateStore', () => {
  it('keeps everything derived in step with the current state, whatever happens to it', async () => {
    await using store = openTestStore();
    const { roomState, stateLog } = store.stores;
    let rooms = 0;
    const run = (seed: number) => {
      const random = new Seeded(seed);
      const events = open(store, `!${rooms++}:localhost`);
      let base = roomState.info(events.room)?.lastPos as StreamPos;
      const change = (): CurrentChange => {
        const one = random.chance(0.7)
          ? events.member(random.pick(users), random.pick(fates))
          : events.state(random.pick(['m.room.name', 'm.room.topic']), '');
        return random.chance(0.12) ? { key: one.key, event: 0 } : one;
      };
      for (let step = 0; step < 25; step++) {
        const changes = new Map(Array.from({ length: 1 + random.below(4) }, change).map((one) => [one.key, one]));
        const pos = store.streams.next();
        if (random.chance(0.05)) {
          roomState.reopenRoom(events.room, pos);
          base = pos;
        }
        const filled = [...changes.values()].map(({ key, event }): StateEntry => [key, event as EventNid]);
        if (random.chance(0.2))
          roomState.fillIn(
            events.room,
            base,
            pos,
            filled.filter(([, event]) => event > 0),
          );
        else roomState.applyCurrent(events.room, pos, [...changes.values()]);
        assertConsistent(store);
        assert.deepEqual([...roomState.currentAll(events.room)], [...stateLog.allAt(roomState.tip(events.room))]);
      }
    };
    const property = fc.property(fc.integer({ min: 0 }), (seed) => store.db.write<void>(() => run(seed)));
    fc.assert(property, { seed: 20261121, numRuns: 12 });
  });

  it('answers what really changed, and writes nothing for what did not', async () => {
    await using store = openTestStore();
    const { roomState, stateLog } = store.stores;
    store.db.write<void>(() => {
      const events = open(store);
      const name = events.state('m.room.name', '');
      const pos = store.streams.next();
      assert.deepEqual(roomState.applyCurrent(events.room, pos, [name]), [name]);
      const later = store.streams.next();
      assert.deepEqual(roomState.applyCurrent(events.room, later, [name]), []);
      assert.equal(roomState.tip(events.room).pos, pos);
      const { line } = roomState.tip(events.room);
      assert.deepEqual(stateLog.changesBetween(line, pos, later), []);
    });
  });

  it('sends a server what happens from its first join to the removal of its last user, that included', async () => {
    await using store = openTestStore();
    const { roomState, interning } = store.stores;
    store.db.write<void>(() => {
      const events = open(store);
      const remote = interning.server('remote');
      const step = (user: string, membership: string): StreamPos => {
        const pos = store.streams.next();
        roomState.applyCurrent(events.room, pos, [events.member(user, membership)]);
        return pos;
      };
      const invited = step('@cat:remote', 'invite');
      const entered = step('@cat:remote', 'join');
      step('@dan:remote', 'join');
      step('@cat:remote', 'leave');
      const removed = step('@dan:remote', 'ban');
      const after = store.streams.next();
      const back = step('@cat:remote', 'join');
      const reached = (pos: StreamPos) => roomState.servers.at(events.room, pos, 0, 10).includes(remote);
      assert.deepEqual([invited, entered, removed, after, back].map(reached), [false, true, true, false, true]);
      assert.equal(roomState.servers.joined(events.room, remote), 1);
      assert.equal(roomState.info(events.room)?.servers, 1);
    });
  });

  it('lists members by membership, in pages', async () => {
    await using store = openTestStore();
    const { roomState, interning } = store.stores;
    store.db.write<void>(() => {
      const events = open(store);
      for (let i = 0; i < 10; i++) {
        const change = events.member(`@user${i}:remote`, i % 3 === 0 ? 'leave' : 'join');
        roomState.applyCurrent(events.room, store.streams.next(), [change]);
      }
      const names = (members: readonly { user: ReturnType<typeof interning.user> }[]) =>
        members.map(({ user }) => interning.userId(user).slice(5, 6)).join('');
      const first = roomState.joinedMembers(events.room, { limit: 4 });
      assert.equal(names(first), '1245');
      assert.equal(names(roomState.joinedMembers(events.room, { limit: 4, after: first.at(-1)?.user })), '78');
      assert.equal(names(roomState.members(events.room, { membership: memberships.leave }, { limit: 9 })), '0369');
      assert.equal(names(roomState.members(events.room, { notMembership: memberships.leave }, { limit: 9 })), '124578');
      assert.equal(names(roomState.members(events.room, {}, { limit: 20 })), '0123456789');
      assert.equal(roomState.firstUsers(events.room, memberships.join).length, 6);
      const { leave } = memberships;
      assert.deepEqual(roomState.members(events.room, { membership: leave, notMembership: leave }, { limit: 9 }), []);
    });
  });
});

describe('local memberships', () => {
  it('begin with a change of membership, not of profile, and are forgotten until the next invite', async () => {
    await using store = openTestStore();
    const { roomState, interning } = store.stores;
    store.db.write<void>(() => {
      const events = open(store);
      const ann = interning.user('@ann:localhost');
      const step = (membership: string): StreamPos => {
        const pos = store.streams.next();
        roomState.applyCurrent(events.room, pos, [events.member('@ann:localhost', membership)]);
        return pos;
      };
      const view = () => roomState.localMember(ann, events.room);
      const joined = step('join');
      step('join');
      assert.equal(view()?.pos, joined);
      assert.equal(view()?.event, roomState.member(events.room, ann)?.event);
      assert.equal(roomState.forget(ann, events.room), false);
      const left = step('leave');
      assert.equal(roomState.forget(ann, events.room), true);
      const banned = step('ban');
      assert.equal(view()?.forgotten, true);
      const invited = step('invite');
      assert.equal(view()?.forgotten, false);
      const changes = roomState.localChanges(ann, joined, invited).map(({ pos }) => pos);
      assert.deepEqual(changes, [invited]);
      assert.ok(left < banned);
      assert.deepEqual(
        roomState.localRooms(ann, [memberships.invite]).map(({ room }) => room),
        [events.room],
      );
      assert.deepEqual(roomState.localRooms(ann, [memberships.join, memberships.leave]), []);
      assert.deepEqual(roomState.localJoined(events.room), []);
    });
  });

  it('of a user whose entry vanishes from the state become a leave', async () => {
    await using store = openTestStore();
    const { roomState, interning } = store.stores;
    store.db.write<void>(() => {
      const events = open(store);
      const ann = interning.user('@ann:localhost');
      const change = events.member('@ann:localhost', 'join');
      roomState.applyCurrent(events.room, store.streams.next(), [change]);
      roomState.applyCurrent(events.room, store.streams.next(), [{ key: change.key, event: 0 }]);
      assert.equal(roomState.localMember(ann, events.room)?.membership, memberships.leave);
      assert.equal(roomState.member(events.room, ann), undefined);
    });
  });

  it('hold invites to rooms whose state is elsewhere, with their stripped state', async () => {
    await using store = openTestStore();
    const { roomState, interning } = store.stores;
    store.db.write<void>(() => {
      const events = new Events(store, '!elsewhere:remote');
      const user = interning.user('@ann:localhost');
      const { event } = events.member('@ann:localhost', 'invite');
      const invite = { user, room: events.room, membership: memberships.invite, event, pos: store.streams.next() };
      roomState.setLocalMember(invite, '[{"type":"m.room.name"}]');
      assert.equal(roomState.stripped(user, events.room), '[{"type":"m.room.name"}]');
      assert.equal(roomState.info(events.room), undefined);
      roomState.createRoom(events.room, '12', store.streams.next());
      roomState.applyCurrent(events.room, store.streams.next(), [events.member('@ann:localhost', 'join')]);
      assert.equal(roomState.stripped(user, events.room), undefined);
    });
  });
});
