import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MatrixError } from '../../src/protocol/errors.ts';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import { AuthEvents } from '../../src/rooms/auth-events.ts';
import { KnownRooms } from '../../src/rooms/known-rooms.ts';
import { Resolutions } from '../../src/rooms/resolutions.ts';
import { StateEngine } from '../../src/rooms/state-engine.ts';
import { silentLog } from '../../src/util/log.ts';
import type { ResolutionAnswer } from '../../src/workers/resolution-job.ts';
import { LargeState } from '../support/large-state.ts';
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
  const resolutions = new Resolutions({
    ...stores,
    db,
    streams,
    clock,
    log: silentLog,
    known: new KnownRooms(stores),
    stateEngine,
    input: { correct: () => undefined },
    resolve: () => new Promise((resolve) => asked.push(resolve)),
  });
  const answer: ResolutionAnswer = {
    isTooLarge: false,
    base: points[0] as (typeof points)[number],
    overrides: [],
    changes: [],
    cost: { sets: 2, conflicts: 3, authDifference: 6, loaded: 11 },
  };
  const prepare = (server: string) =>
    resolutions.prepare({ nid: room.room, rules: room.rules }, points, asServerName(server));
  return { store, room, points, stateEngine, asked, answer, prepare, lines, db };
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
});
