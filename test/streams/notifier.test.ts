import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { RoomNid, StreamPos, UserNid } from '../../src/store/nids.ts';
import { millis } from '../../src/util/brand.ts';
import { openTestStore } from '../support/store.ts';

const [alice, bob, carol] = [1 as UserNid, 2 as UserNid, 3 as UserNid];
const [kitchen, garden] = [10 as RoomNid, 11 as RoomNid];
const JOIN = 1;
const INVITE = 2;
const LEAVE = 4;

/** Alice is in the kitchen, Bob is invited to it and in the garden, Carol has left it. */
function opened() {
  const store = openTestStore();
  const { db, streams, notifier, clock } = store;
  const put = db.prepare<number[], never>(
    'INSERT INTO local_member (user, room, membership, event, pos) VALUES (?, ?, ?, 1, 1)',
  );
  db.write<void>(() => {
    put.run(alice, kitchen, JOIN);
    put.run(bob, kitchen, INVITE);
    put.run(bob, garden, JOIN);
    put.run(carol, kitchen, LEAVE);
  });
  /** A wait whose outcome can be read without waiting. */
  const waiting = (user: UserNid, since: StreamPos = streams.now(), signal?: AbortSignal) => {
    const state = { outcome: 'waiting' };
    void notifier.wait(user, since, millis(30_000), signal).then((outcome) => (state.outcome = outcome));
    return state;
  };
  const change = (touch: () => void) =>
    db.write<void>(() => {
      streams.next();
      touch();
    });
  return { store, db, streams, notifier, clock, waiting, change };
}

/** Lets resolved promises be seen. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('Notifier.wait', () => {
  it('wakes those who are joined or invited to a touched room, nobody else', async () => {
    const { store, streams, waiting, change } = opened();
    await using _ = store;
    const [a, b, c] = [waiting(alice), waiting(bob), waiting(carol)];
    change(() => streams.touchRoom(kitchen));
    await settle();
    assert.deepEqual([a.outcome, b.outcome, c.outcome], ['touched', 'touched', 'waiting']);
    change(() => streams.touchUser(carol));
    await settle();
    assert.equal(c.outcome, 'touched');
    assert.equal(store.notifier.waiters, 0);
  });

  it('wakes all calls of a user, after the commit and not before', async () => {
    const { store, streams, waiting, db } = opened();
    await using _ = store;
    const calls = [waiting(bob), waiting(bob)];
    db.write<void>(() => {
      streams.next();
      streams.touchRoom(garden);
      assert.equal(store.notifier.waiters, 2);
    });
    assert.equal(store.notifier.waiters, 0);
    await settle();
    assert.deepEqual(
      calls.map((call) => call.outcome),
      ['touched', 'touched'],
    );
  });

  it('hears nothing of what was rolled back', async () => {
    const { store, streams, waiting, db, change } = opened();
    await using _ = store;
    const call = waiting(alice);
    const fail = () =>
      change(() => {
        streams.touchUser(alice);
        throw new Error('boom');
      });
    assert.throws(fail);
    db.write<void>(() => assert.throws(fail));
    await settle();
    assert.equal(call.outcome, 'waiting');
  });

  it('wakes by what lives in memory at once', async () => {
    const { store, streams, waiting } = opened();
    await using _ = store;
    const call = waiting(alice);
    streams.next();
    streams.touchRoom(kitchen);
    await settle();
    assert.equal(call.outcome, 'touched');
  });

  it('ends at its timeout or abort and leaves nothing behind', async () => {
    const { store, waiting, clock } = opened();
    await using _ = store;
    const controller = new AbortController();
    const [slow, gone] = [waiting(alice), waiting(bob, undefined, controller.signal)];
    controller.abort();
    clock.advance(29_999);
    await settle();
    assert.deepEqual([slow.outcome, gone.outcome], ['waiting', 'aborted']);
    clock.advance(1);
    await settle();
    assert.equal(slow.outcome, 'timeout');
    assert.deepEqual([store.notifier.waiters, clock.pendingTimers], [0, 0]);
    const late = waiting(alice, undefined, controller.signal);
    await settle();
    assert.equal(late.outcome, 'aborted');
  });

  it('returns at once from a timeout of zero', async () => {
    const { store, notifier, streams } = opened();
    await using _ = store;
    assert.equal(await notifier.wait(alice, streams.now(), millis(0)), 'timeout');
  });

  it('resolves at once if the user was touched between the reading and the waiting', async () => {
    const { store, streams, waiting, change } = opened();
    await using _ = store;
    const since = streams.now();
    change(() => streams.touchRoom(kitchen));
    const [a, b, c] = [waiting(alice, since), waiting(bob, since), waiting(carol, since)];
    const current = waiting(alice);
    await settle();
    assert.deepEqual([a.outcome, b.outcome, c.outcome, current.outcome], ['touched', 'touched', 'waiting', 'waiting']);
  });

  it('resolves at once if too much has happened since to tell', async () => {
    const { store, streams, waiting, change } = opened();
    await using _ = store;
    const since = streams.now();
    for (let i = 0; i < 200; i++) change(() => streams.touchUser(bob));
    const old = waiting(alice, since);
    const recent = waiting(alice);
    const beforeStart = waiting(carol, 0 as StreamPos);
    await settle();
    assert.deepEqual([old.outcome, recent.outcome, beforeStart.outcome], ['touched', 'waiting', 'touched']);
  });

  it('loses no wake-up, whatever comes between reading and waiting', async () => {
    const { store, streams, notifier, change } = opened();
    await using _ = store;
    const member = new Map([
      [kitchen, [alice, bob]],
      [garden, [bob]],
    ]);
    const step = fc.oneof(
      fc.record({ do: fc.constant('room' as const), room: fc.constantFrom(kitchen, garden) }),
      fc.record({ do: fc.constant('user' as const), user: fc.constantFrom(alice, bob, carol) }),
      fc.record({ do: fc.constant('read' as const), user: fc.constantFrom(alice, bob, carol) }),
      fc.record({ do: fc.constant('wait' as const), user: fc.constantFrom(alice, bob, carol) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const read = new Map<UserNid, StreamPos>([alice, bob, carol].map((user) => [user, streams.now()]));
        const missed = new Map<UserNid, boolean>();
        const calls: { user: UserNid; touched: boolean; outcome?: string }[] = [];
        const touched = (users: UserNid[]) => {
          for (const user of users) missed.set(user, true);
          for (const call of calls) if (users.includes(call.user)) call.touched = true;
        };
        const controller = new AbortController();
        for (const step of steps) {
          if (step.do === 'room') {
            change(() => streams.touchRoom(step.room));
            touched(member.get(step.room) ?? []);
          } else if (step.do === 'user') {
            change(() => streams.touchUser(step.user));
            touched([step.user]);
          } else if (step.do === 'read') {
            read.set(step.user, streams.now());
            missed.set(step.user, false);
          } else {
            const call = { user: step.user, touched: missed.get(step.user) === true };
            calls.push(call);
            const since = read.get(step.user) ?? streams.now();
            void notifier
              .wait(step.user, since, millis(1000), controller.signal)
              .then((outcome) => Object.assign(call, { outcome }));
          }
        }
        await settle();
        controller.abort();
        await settle();
        for (const call of calls) assert.equal(call.outcome, call.touched ? 'touched' : 'aborted');
        assert.equal(notifier.waiters, 0);
      }),
      { seed: 8, numRuns: 60 },
    );
  });
});

describe('Notifier.subscribe', () => {
  it('tells "now" once per commit that changed something, until unsubscribed', async () => {
    const { store, db, streams, notifier, change } = opened();
    await using _ = store;
    const told: number[] = [];
    const unsubscribe = notifier.subscribe((pos) => told.push(pos));
    const start = streams.now();
    change(() => {
      streams.touchRoom(kitchen);
      streams.touchRoom(garden);
      streams.touchUser(alice);
    });
    db.write<void>(() => void streams.next());
    db.write<void>(() => {});
    await Promise.all([1, 2].map(() => db.durable<void>(() => void streams.next())));
    // A group is told of when it is durable and answered.
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    assert.deepEqual(told, [start + 1, start + 2, start + 4]);
    unsubscribe();
    change(() => streams.touchUser(alice));
    assert.equal(told.length, 3);
  });
});
