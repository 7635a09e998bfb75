import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import { PartialState } from '../../../src/rooms/partial/partial-state.ts';
import type { EventNid, LineNid, RoomNid, StreamPos, UserNid } from '../../../src/store/nids.ts';
import type { PartialRoom } from '../../../src/store/rooms/partial-rooms.ts';
import { millis } from '../../../src/util/brand.ts';
import { openTestStore, type TestStore } from '../../support/store.ts';

const room = 7 as RoomNid;
const other = 9 as RoomNid;
const atMost = millis(20_000);

const entered: PartialRoom = {
  room,
  line: 3 as LineNid,
  base: 40 as StreamPos,
  joinEvent: 12 as EventNid,
  user: 2 as UserNid,
  servers: [asServerName('b.test'), asServerName('c.test')],
  since: millis(1_000),
};

function begin(store: TestStore): PartialState {
  const { partialRooms } = store.stores;
  store.db.write<void>(() => partialRooms.begin(entered));
  return new PartialState({ partialRooms, clock: store.clock });
}

describe('PartialRooms', () => {
  it('does not keep what was redacted once it is given up that the members come soon, nor when the room is left', async () => {
    await using store = openTestStore();
    const { partialRooms, redactions } = store.stores;
    const target = 5 as EventNid;
    const held = () => redactions.held(room, target) !== undefined;
    const failed = (givesUp: boolean) => ({ problem: 'nobody answers', nextTry: millis(2_000), givesUp });
    begin(store);
    store.db.write<void>(() => redactions.hold(room, target, '{}'));
    store.db.write<void>(() => partialRooms.setBack(room, failed(false)));
    assert.ok(held());
    store.db.write<void>(() => partialRooms.setBack(room, failed(true)));
    assert.ok(!held());
    store.db.write<void>(() => redactions.hold(room, target, '{}'));
    store.db.write<void>(() => partialRooms.end(room));
    assert.ok(!held());
  });

  it('remembers a room until it is complete, and since when it is', async () => {
    await using store = openTestStore();
    const { partialRooms } = store.stores;
    begin(store);
    assert.equal(partialRooms.has(room), true);
    assert.equal(partialRooms.has(other), false);
    store.db.write<void>(() => partialRooms.progress(room, { events: 5, members: 4 }));
    const untried = { filled: false, tries: 0, nextTry: 0, givesUp: false, problem: undefined };
    assert.deepEqual(partialRooms.find(room), { ...entered, ...untried, events: 5, members: 4 });
    const setback = { problem: 'nobody answers', nextTry: millis(2_000), givesUp: true };
    store.db.write<void>(() => partialRooms.setBack(room, setback));
    assert.deepEqual(partialRooms.list(0), [
      { ...entered, ...setback, filled: false, tries: 1, events: 5, members: 4 },
    ]);
    store.db.write<void>(() => partialRooms.retry(room));
    assert.equal(partialRooms.find(room)?.givesUp, false);
    store.db.write<void>(() => partialRooms.complete(room, 50 as StreamPos));
    assert.equal(partialRooms.has(room), false);
    assert.equal(partialRooms.completedAt(room), 50);
    assert.deepEqual(partialRooms.completedBetween(40 as StreamPos, 50 as StreamPos), [room]);
    assert.deepEqual(partialRooms.completedBetween(50 as StreamPos, 60 as StreamPos), []);
  });
});

describe('PartialState', () => {
  it('lets those who ask for a complete room go on at once', async () => {
    await using store = openTestStore();
    const state = begin(store);
    assert.equal(await state.whenComplete(other, atMost), true);
    assert.equal(store.clock.pendingTimers, 0);
  });

  it('tells those who wait, and the listeners, when the state is complete', async () => {
    await using store = openTestStore();
    const state = begin(store);
    const told: unknown[] = [];
    state.onComplete((...about) => told.push(about));
    const waiting = [state.whenComplete(room, atMost), state.whenComplete(room, atMost)];
    store.db.write<void>(() => store.stores.partialRooms.complete(room, 50 as StreamPos));
    state.completed(room, 50 as StreamPos);
    assert.deepEqual(await Promise.all(waiting), [true, true]);
    assert.deepEqual(told, [[room, 50]]);
    assert.equal(store.clock.pendingTimers, 0);
  });

  it('does not let anybody wait for longer than wanted, nor for what is given up', async () => {
    await using store = openTestStore();
    const state = begin(store);
    const late = state.whenComplete(room, atMost);
    store.clock.advance(atMost);
    assert.equal(await late, false);
    const abort = new AbortController();
    const calledOff = state.whenComplete(room, atMost, abort.signal);
    abort.abort();
    assert.equal(await calledOff, false);
    assert.equal(await state.whenComplete(room, atMost, abort.signal), false);
    const left = state.whenComplete(room, atMost);
    state.calledOff(room);
    assert.equal(await left, false);
    const setback = { problem: 'nobody answers', nextTry: millis(0), givesUp: true };
    store.db.write<void>(() => store.stores.partialRooms.setBack(room, setback));
    assert.equal(await state.whenComplete(room, atMost), false);
    assert.equal(store.clock.pendingTimers, 0);
  });
});
