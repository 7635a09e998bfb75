import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import type { RoomId } from '../../../src/protocol/ids/types.ts';
import { roomVersionRules } from '../../../src/protocol/room-versions.ts';
import { AuthEvents } from '../../../src/rooms/input/auth-events.ts';
import { GraphWalks } from '../../../src/rooms/remote/serve/graph-walks.ts';
import { ServerVisibility } from '../../../src/rooms/remote/server-visibility.ts';
import { eventFlags } from '../../../src/store/events/flags.ts';
import { wellKnown } from '../../../src/store/interning/well-known.ts';
import type { EventNid } from '../../../src/store/nids.ts';
import { type StoredEvent, StoreRoom } from '../../support/rooms/store-room.ts';
import { openTestStore, type TestStore } from '../../support/store.ts';

const alice = '@alice:localhost';
const bob = '@bob:b.test';

/** What b.test gets of messages sent before bob's invite, while invited, joined, after he left, and once he is back. */
function journey(visibility: string | undefined, erased = false): Promise<string> {
  return (async () => {
    await using store = openTestStore();
    const { stores } = store;
    const { room, messages } = store.db.write(() => {
      const room = new StoreRoom(store, '11');
      room.create(alice);
      room.join(alice);
      room.add(alice, 'm.room.power_levels', { users: { [alice]: 100 } }, '');
      if (visibility !== undefined) {
        room.add(alice, 'm.room.history_visibility', { history_visibility: visibility }, '');
      }
      const messages: [string, StoredEvent][] = [];
      const say = (name: string) => messages.push([name, room.message(alice, name)]);
      say('before');
      room.member(bob, 'invite', alice);
      say('invited');
      room.join(bob);
      say('joined');
      room.member(bob, 'leave');
      say('left');
      room.join(bob);
      say('back');
      return { room, messages };
    });
    const rules = roomVersionRules('11');
    assert.ok(rules);
    const uses = { ...stores, authEvents: new AuthEvents(stores), isErased: () => erased };
    const known = { nid: room.nid, roomId: room.roomId as RoomId, rules };
    const view = new ServerVisibility(uses).forServer(known, asServerName('b.test'));
    const rows = stores.events.rows(messages.map(([, { nid }]) => nid));
    const bodies = view.texts(rows).map((text) => JSON.parse(text).content.body as string | undefined);
    assert.equal(bodies.length, messages.length, 'nothing is left out');
    for (const [index, row] of rows.entries()) assert.equal(view.mayRead(row), bodies[index] !== undefined);
    return bodies.filter((body) => body !== undefined).join(' ');
  })();
}

describe('what a server sees of the history', () => {
  const table: [visibility: string | undefined, seen: string][] = [
    [undefined, 'before invited joined left back'],
    ['shared', 'before invited joined left back'],
    ['world_readable', 'before invited joined left back'],
    ['invited', 'invited joined back'],
    ['joined', 'joined back'],
  ];
  for (const [visibility, seen] of table) {
    it(`is whole or redacted where it is ${visibility ?? 'not said'}`, async () => {
      assert.equal(await journey(visibility), seen);
    });
  }

  it('of users who were erased is what was sent while it was there', async () => {
    assert.equal(await journey('shared', true), 'joined back');
  });
});

/** A room with `joined` history that nobody of b.test is in, with what makes a view of it. */
function quietRoom(store: TestStore) {
  const { stores } = store;
  const room = store.db.write(() => {
    const made = new StoreRoom(store, '11');
    made.create(alice);
    made.join(alice);
    made.add(alice, 'm.room.history_visibility', { history_visibility: 'joined' }, '');
    return made;
  });
  const rules = roomVersionRules('11');
  assert.ok(rules);
  const known = { nid: room.nid, roomId: room.roomId as RoomId, rules };
  const uses = { ...stores, authEvents: new AuthEvents(stores), isErased: () => false };
  const view = () => new ServerVisibility(uses).forServer(known, asServerName('b.test'));
  const row = (event: StoredEvent) => {
    const found = stores.events.row(event.nid);
    assert.ok(found);
    return found;
  };
  return { room, view, row };
}

describe('what a server sees on a fork', () => {
  it('is what its users could have seen there', async () => {
    await using store = openTestStore();
    const { room, view, row } = quietRoom(store);
    const { stateLog, roomState, interning } = store.stores;
    const [early, join, leave, late] = store.db.write(() => [
      room.message(alice, 'early'),
      room.join(bob),
      room.member(bob, 'leave'),
      room.message(alice, 'late'),
    ]);
    assert.ok(early && join && leave && late);
    const key = interning.stateKey('m.room.member', bob);
    const fork = (from: StoredEvent, event: EventNid) =>
      store.db.write(() => {
        const { line, linePos } = row(from);
        assert.ok(line && linePos);
        const pos = store.streams.next();
        const made = stateLog.createLine(room.nid, 'fork', { line, pos: linePos });
        stateLog.append(made, pos, [[key, event]]);
        return { line: made, linePos: pos };
      });
    assert.equal(view().mayRead(row(early)), false);
    assert.equal(view().mayRead(row(late)), false);
    // A fork on which bob is in the room, from where he was not; and the other way round.
    assert.equal(view().mayRead({ ...row(early), ...fork(early, join.nid) }), true);
    assert.equal(view().mayRead({ ...row(early), ...fork(leave, leave.nid) }), false);
    // A fork that says nothing of b.test, from where bob was in the room.
    const creator = interning.stateKey('m.room.member', alice);
    const other = store.db.write(() => {
      const { line, linePos } = row(leave);
      assert.ok(line && linePos);
      const pos = store.streams.next();
      const made = stateLog.createLine(room.nid, 'fork', { line, pos: linePos });
      stateLog.append(made, pos, [[creator, 0]]);
      return { line: made, linePos: pos };
    });
    assert.equal(view().mayRead({ ...row(early), ...other }), true);
    // One that says bob is in the room, and so much more that nobody looks through it.
    const long = fork(early, join.nid);
    const place = { ...row(early), line: long.line, linePos: long.linePos };
    assert.equal(view().mayRead(place), true);
    store.db.write(() => {
      const keys = Array.from({ length: 20_000 }, (_, n) => interning.stateKey('m.room.member', `@user${n}:c.test`));
      stateLog.append(
        long.line,
        long.linePos,
        keys.map((each) => [each, join.nid]),
      );
    });
    assert.equal(view().mayRead(place), false);
    assert.ok(roomState.tip(room.nid));
  });

  it('of events without a known state is by what is known of their visibility', async () => {
    await using store = openTestStore();
    const { room, view, row } = quietRoom(store);
    const { historyState, stateLog, roomState } = store.stores;
    const said = store.db.write(() => room.message(alice, 'said'));
    const place = { ...row(said), line: null, linePos: null };
    const { segment, idx } = place;
    assert.ok(segment !== null && idx !== null);
    const key = wellKnown.stateKeys.historyVisibility;
    assert.equal(view().mayRead(place), false, 'not known');
    const joined = stateLog.at(roomState.tip(room.nid), key);
    assert.ok(joined);
    const expected: [event: EventNid | 0 | null, seen: boolean][] = [
      [0, true],
      [null, false],
      [joined, false],
    ];
    for (const [event, seen] of expected) {
      store.db.write<void>(() => historyState.set({ segment, idx }, key, event));
      assert.equal(view().mayRead(place), seen, `${event}`);
    }
    // State is handed to servers in the room anyhow.
    const state = store.db.write(() => room.add(alice, 'm.room.topic', { topic: 'x' }, ''));
    assert.equal(view().mayRead({ ...row(state), line: null, linePos: null }), true);
  });
});

describe('walks back', () => {
  async function walked(use: (walks: GraphWalks, room: StoreRoom, nids: EventNid[]) => void) {
    await using store = openTestStore();
    const made = store.db.write(() => {
      const room = new StoreRoom(store, '11');
      const nids = [room.create(alice).nid, room.join(alice).nid];
      for (let n = 0; n < 8; n++) nids.push(room.message(alice, `m${n}`).nid);
      store.stores.events.setFlags(nids[5] as EventNid, eventFlags.REJECTED, 0);
      store.stores.events.setFlags(nids[7] as EventNid, eventFlags.SOFT_FAILED, 0);
      return { room, nids };
    });
    use(new GraphWalks(store.stores.events), made.room, made.nids);
  }
  const at = (nids: readonly EventNid[], rows: readonly { nid: EventNid }[]) =>
    rows.map(({ nid }) => nids.indexOf(nid));

  it('answer what was asked for and what came before, newest first, without what was rejected', () =>
    walked((walks, room, nids) => {
      const from = (...indexes: number[]) => indexes.map((index) => nids[index] as EventNid);
      assert.deepEqual(at(nids, walks.before(room.nid, from(9), 4)), [9, 8, 7, 6]);
      assert.deepEqual(at(nids, walks.before(room.nid, from(6, 9), 100)), [9, 8, 7, 6, 4, 3, 2, 1, 0]);
      // A soft-failed event is told of where others cite it, not by itself.
      assert.deepEqual(at(nids, walks.before(room.nid, from(7), 4)), []);
      assert.deepEqual(at(nids, walks.before((room.nid + 1) as typeof room.nid, from(9), 4)), []);
    }));

  it('answer what lies between, oldest first', () =>
    walked((walks, room, nids) => {
      const range = (latest: number, earliest: number, minDepth = 0) => ({
        latest: [nids[latest] as EventNid],
        earliest: [nids[earliest] as EventNid],
        minDepth,
      });
      assert.deepEqual(at(nids, walks.between(room.nid, range(9, 3), 20)), [4, 6, 7, 8]);
      assert.deepEqual(at(nids, walks.between(room.nid, range(9, 3), 2)), [7, 8]);
      assert.deepEqual(at(nids, walks.between(room.nid, range(9, 3, 9), 20)), [8]);
      assert.deepEqual(at(nids, walks.between(room.nid, range(3, 3), 20)), []);
    }));
});
