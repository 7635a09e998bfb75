import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { eventFlags, isAccepted } from '../../../src/store/events/flags.ts';
import { membershipCode, membershipName, memberships } from '../../../src/store/events/membership.ts';
import type { EventNid, LineNid, RoomNid, StreamPos, TypeNid, UserNid } from '../../../src/store/nids.ts';
import { openTestStore, type TestStore } from '../../support/store.ts';

const event = (nid: number) => nid as EventNid;

function insert(store: TestStore, nid: number, more: { depth?: number; ts?: number; parents?: EventNid[] } = {}): void {
  store.stores.events.insert({
    nid: event(nid),
    room: 1 as RoomNid,
    type: 40 as TypeNid,
    sender: 1 as UserNid,
    stateKey: null,
    depth: more.depth ?? 1,
    ts: more.ts ?? 1,
    flags: 0,
    canonical: '{}',
    parents: more.parents ?? [],
  });
}

describe('EventStore', () => {
  it('gives rows in the order asked for and leaves out what it does not have', async () => {
    await using store = openTestStore();
    const { events } = store.stores;
    store.db.write<void>(() => {
      for (const nid of [1, 2, 3]) insert(store, nid);
      assert.deepEqual(
        events.rows([3, 9, 1].map(event)).map(({ nid }) => nid),
        [3, 1],
      );
      assert.deepEqual(events.rows([]), []);
      assert.equal(events.row(event(9)), undefined);
      assert.throws(() => events.pdu(event(9)), /no event has the number 9/);
      assert.equal(events.pdus([event(9)]).size, 0);
    });
  });

  it('clamps numbers that columns cannot hold', async () => {
    await using store = openTestStore();
    const { events } = store.stores;
    store.db.write<void>(() => {
      const cases: [number, number][] = [
        [2 ** 63, Number.MAX_SAFE_INTEGER],
        [-(2 ** 70), -Number.MAX_SAFE_INTEGER],
        [1.9, 1],
        [Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER],
        [Number.NaN, 0],
      ];
      for (const [index, [given, kept]] of cases.entries()) {
        insert(store, index + 1, { depth: given, ts: given });
        const row = events.row(event(index + 1));
        assert.deepEqual([row?.depth, row?.ts], [kept, kept]);
      }
    });
  });

  it('changes flags, points and places', async () => {
    await using store = openTestStore();
    const { events } = store.stores;
    store.db.write<void>(() => {
      insert(store, 1, { parents: [event(7), event(8), event(7)] });
      events.setFlags(event(1), eventFlags.REDACTED | eventFlags.SOFT_FAILED, 0);
      events.setFlags(event(1), eventFlags.BACKFILLED, eventFlags.SOFT_FAILED);
      events.setBefore(event(1), { line: 4 as LineNid, pos: 5 as StreamPos });
      events.setPlace(event(1), { pos: null, segment: 2, idx: -3 });
      const row = events.row(event(1));
      assert.equal(row?.flags, eventFlags.REDACTED | eventFlags.BACKFILLED);
      assert.deepEqual([row?.line, row?.linePos, row?.segment, row?.idx], [4, 5, 2, -3]);
      assert.deepEqual(events.parents(event(1)), [7, 8]);
      assert.equal(events.recordedAfter(event(1)), undefined);
      events.setAfter(event(1), { line: 6 as LineNid, pos: 7 as StreamPos });
      assert.deepEqual(events.recordedAfter(event(1)), { line: 6, pos: 7 });
      events.setAfter(event(1), undefined);
      assert.equal(events.recordedAfter(event(1)), undefined);
    });
  });
});

describe('Extremities', () => {
  it('swaps what is cited for what cites it, and knows who waits for a missing parent', async () => {
    await using store = openTestStore();
    const { extremities } = store.stores;
    const room = 1 as RoomNid;
    store.db.write<void>(() => {
      extremities.replace(room, [], [event(1)]);
      extremities.replace(room, [], [event(2)]);
      extremities.replace(room, [event(1), event(2), event(77)], [event(3)]);
      assert.deepEqual(extremities.forward(room), [3]);
      extremities.addBackward(room, event(50), event(3));
      extremities.addBackward(room, event(50), event(2));
      extremities.addBackward(room, event(51), event(3));
      assert.deepEqual(extremities.resolveBackward(room, event(50)), [2, 3]);
      assert.deepEqual(extremities.resolveBackward(room, event(50)), []);
      assert.deepEqual(extremities.backward(room), [{ parent: 51, child: 3 }]);
    });
  });
});

describe('flags and memberships', () => {
  it('tell what takes part in a room', () => {
    assert.equal(isAccepted(0), true);
    assert.equal(isAccepted(eventFlags.REDACTED | eventFlags.BACKFILLED), true);
    for (const flag of ['REJECTED', 'SOFT_FAILED', 'OUTLIER'] as const)
      assert.equal(isAccepted(eventFlags[flag]), false);
  });

  it('have a code for every membership of the specification and for nothing else', () => {
    for (const [name, code] of Object.entries(memberships)) {
      assert.equal(membershipCode(name), code);
      assert.equal(membershipName(code), name);
    }
    for (const odd of ['toString', 'Join', '', 1, null, undefined]) assert.equal(membershipCode(odd), undefined);
  });
});
