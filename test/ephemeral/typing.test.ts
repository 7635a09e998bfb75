import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { longestTyping, Typing } from '../../src/ephemeral/typing.ts';
import type { RoomNid, UserNid } from '../../src/store/nids.ts';
import { millis } from '../../src/util/brand.ts';
import { openTestStore } from '../support/store.ts';

const room = 1 as RoomNid;
const user = (n: number) => n as UserNid;

describe('typing', () => {
  it('ends for each person at their own time, with one timer', async () => {
    await using store = openTestStore();
    const { clock } = store;
    const before = clock.pendingTimers;
    const typing = new Typing(store.streams, clock);
    typing.start(room, user(1), millis(5000));
    typing.start(room, user(2), millis(3000));
    typing.start(room, user(1), millis(8000));
    assert.equal(clock.pendingTimers, before + 1);
    clock.advance(3000);
    assert.deepEqual(typing.users(room), [1]);
    clock.advance(4999);
    assert.deepEqual(typing.users(room), [1]);
    clock.advance(1);
    assert.deepEqual(typing.users(room), []);
    assert.equal(clock.pendingTimers, before);
  });

  it('has a position for each change, and none for a repetition', async () => {
    await using store = openTestStore();
    const typing = new Typing(store.streams, store.clock);
    const start = store.streams.now();
    typing.start(room, user(1), millis(5000));
    const first = typing.changedAt(room);
    typing.start(room, user(1), millis(5000));
    typing.stop(room, user(2));
    assert.equal(typing.changedAt(room), first);
    assert.deepEqual(typing.roomsChanged(start, store.streams.now()), [room]);
    typing.stop(room, user(1));
    assert.notEqual(typing.changedAt(room), first);
    assert.deepEqual(typing.roomsChanged(store.streams.now(), store.streams.now()), []);
  });

  it('is bounded in time, in people and in rooms', async () => {
    await using store = openTestStore();
    const typing = new Typing(store.streams, store.clock);
    for (let n = 1; n <= 60; n++) typing.start(room, user(n), millis(10 ** 9));
    assert.equal(typing.users(room).length, 50);
    for (let n = 2; n <= 1100; n++) typing.start(n as RoomNid, user(1), millis(1000));
    assert.deepEqual(typing.users(1001 as RoomNid), []);
    store.clock.advance(1000);
    typing.start(1050 as RoomNid, user(1), millis(1000));
    assert.deepEqual(typing.users(1050 as RoomNid), [1]);
    store.clock.advance(longestTyping);
    assert.deepEqual(typing.users(room), []);
  });
});
