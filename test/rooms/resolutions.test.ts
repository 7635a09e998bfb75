import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MatrixError } from '../../src/protocol/errors.ts';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import { AuthEvents } from '../../src/rooms/input/auth-events.ts';
import { KnownRooms } from '../../src/rooms/known-rooms.ts';
import { Resolutions } from '../../src/rooms/state/resolutions.ts';
import { StateEngine } from '../../src/rooms/state/state-engine.ts';
import type { EventNid, RoomNid, StateKeyNid } from '../../src/store/nids.ts';
import type { UnsettledRooms } from '../../src/store/state/unsettled-rooms.ts';
import { silentLog } from '../../src/util/log.ts';
import type { ResolutionAnswer } from '../../src/workers/resolution-job.ts';
import { LargeState } from '../support/rooms/large-state.ts';
import { openTestStore } from '../support/store.ts';

/** A room with a conflict, and a worker that answers when the test says so. */
function stage() {
  const store = openTestStore();
  const { db, stores, streams, clock } = store;
  const room = new LargeState(store, '10', 20);
  const points = room.forks();
  const authEvents = new AuthEvents(stores);
  const signatures = { isSignedBy: () => true, verify: () => true };
  const lines: [event: string, fields: object][] = [];
  const log = { ...silentLog, info: (event: string, fields = {}) => void lines.push([event, fields]) };
  const stateEngine = new StateEngine({ ...stores, streams, authEvents, signatures, log });
  const asked: ((answer: ResolutionAnswer) => void)[] = [];
  const uses = {
    ...stores,
    db,
    streams,
    clock,
    log: silentLog,
    known: new KnownRooms(stores),
    stateEngine,
    input: { correct: () => undefined },
    resolve: () => new Promise<ResolutionAnswer>((resolve) => asked.push(resolve)),
  };
  const resolutions = new Resolutions(uses);
  const answer: ResolutionAnswer = {
    isTooLarge: false,
    base: points[0] as (typeof points)[number],
    overrides: [],
    changes: [],
    cost: { sets: 2, conflicts: 3, authDifference: 6, loaded: 11 },
  };
  const prepare = (server: string) =>
    resolutions.prepare({ nid: room.room, rules: room.rules }, points, asServerName(server));
  return { store, uses, room, points, stateEngine, asked, answer, prepare, lines, db };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('conflicts that are resolved beside the main thread', () => {
  it('are resolved one at a time, and two at most wait for the sake of one server', async () => {
    const { store, asked, answer, prepare } = stage();
    await using _ = store;
    const waiting = [prepare('b.test'), prepare('b.test'), prepare('c.test')];
    await assert.rejects(prepare('b.test'), (error) => error instanceof MatrixError && error.status === 429);
    await turn();
    assert.equal(asked.length, 1);
    asked[0]?.(answer);
    await waiting[0];
    await turn();
    assert.equal(asked.length, 2);
    asked[1]?.(answer);
    await waiting[1];
    await turn();
    asked[2]?.(answer);
    assert.deepEqual(await Promise.all(waiting), [true, true, true]);
    const again = prepare('b.test');
    await turn();
    asked[3]?.({ isTooLarge: true });
    assert.equal(await again, false);
  });

  it('are refused with a time to come back when too many wait', async () => {
    const { store, asked, answer, prepare } = stage();
    await using _ = store;
    const waiting = Array.from({ length: 21 }, (_, index) => prepare(`s${index}.test`));
    await assert.rejects(prepare('late.test'), (error) => error instanceof MatrixError && error.status === 429);
    for (let index = 0; index < waiting.length; index++) {
      await turn();
      asked[index]?.(answer);
    }
    await Promise.all(waiting);
  });

  it('are found by who needs them, and logged with what they cost', async () => {
    const { store, room, points, stateEngine, asked, answer, prepare, lines, db } = stage();
    await using _ = store;
    const prepared = prepare('b.test');
    await turn();
    asked[0]?.(answer);
    await prepared;
    const merged = db.write(() => stateEngine.merge({ nid: room.room, rules: room.rules }, points));
    assert.deepEqual(merged, points[0]);
    const [line] = lines;
    assert.equal(line?.[0], 'state.resolved');
    const { ms, ...fields } = line[1] as { ms: number };
    assert.ok(ms >= 0);
    assert.deepEqual(fields, { room: '!room:localhost', ...answer.cost, thread: 'worker' });
  });

  it('whose states were corrected meanwhile are resolved again later', async () => {
    const { store, room, stateEngine, asked, answer, prepare, db } = stage();
    await using _ = store;
    const prepared = prepare('b.test');
    await turn();
    db.write<void>(() => stateEngine.forgetResolved(room.room));
    asked[0]?.(answer);
    await assert.rejects(prepared, (error) => error instanceof MatrixError && error.status === 429);
  });

  it('whose states were corrected while the result was written down are resolved again later, too', async () => {
    const { store, room, points, stateEngine, asked, answer, prepare, db } = stage();
    await using _ = store;
    const prepared = prepare('b.test');
    await turn();
    const event = 1 as EventNid;
    const overrides = Array.from({ length: 300 }, (_, key) => [(5000 + key) as StateKeyNid, event] as const);
    asked[0]?.({ ...answer, overrides });
    // What is written in the first slice is, and the second waits for its turn.
    for (let step = 0; step < 20; step++) await Promise.resolve();
    db.write<void>(() => stateEngine.forgetResolved(room.room));
    await assert.rejects(prepared, (error) => error instanceof MatrixError && error.status === 429);
    assert.equal(store.stores.mergedPoints.find(room.room, points), undefined);
  });

  it('leave no room unsettled that is noted just as it was looked for the last time', async () => {
    const { store, uses, room, db } = stage();
    await using _ = store;
    let wake: (nid: RoomNid) => void = () => {};
    let looks = 0;
    const resolutions = new Resolutions({
      ...uses,
      stateEngine: { onUnsettled: (listener: typeof wake) => (wake = listener) } as unknown as StateEngine,
      unsettled: {
        list() {
          if (looks++ === 0) queueMicrotask(() => db.write<void>(() => wake(room.room)));
          return [];
        },
      } as unknown as UnsettledRooms,
    });
    resolutions.start();
    await turn();
    assert.equal(looks, 2);
    await resolutions.stop();
  });
});
