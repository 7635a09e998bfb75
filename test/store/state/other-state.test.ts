import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { wellKnown } from '../../../src/store/interning/well-known.ts';
import type { StateKeyNid, StatePoint, StreamPos } from '../../../src/store/nids.ts';
import { StoreRoom } from '../../support/rooms/store-room.ts';
import { openTestStore, type TestStore } from '../../support/store.ts';

const alice = '@alice:localhost';

/** A room whose state a test changes, on the main line and beside it. */
class Changing {
  readonly store: TestStore;
  readonly room: StoreRoom;

  constructor(store: TestStore) {
    this.store = store;
    this.room = store.db.write(() => {
      const room = new StoreRoom(store, '11');
      room.create(alice);
      room.join(alice);
      return room;
    });
  }

  /** A member event, or another of a few keys. */
  set(what: number): void {
    this.store.db.write<void>(() => {
      if (what % 3 === 0) this.room.member(`@user${what}:far${what % 4}`, 'join');
      else this.room.add(alice, `t.${what % 5}`, { what }, `${what % 7}`);
    });
  }

  /** Takes a key away, as state resolution may. */
  drop(what: number): void {
    const { stores, db, streams } = this.store;
    const key = stores.interning.findStateKey(`t.${what % 5}`, `${what % 7}`);
    if (key === undefined) return;
    db.write<void>(() => void stores.roomState.applyCurrent(this.room.nid, streams.next(), [{ key, event: 0 }]));
  }

  fork(point: StatePoint, what: number): StatePoint {
    const { stores, db, streams } = this.store;
    return db.write(() => {
      const line = stores.stateLog.createLine(this.room.nid, 'fork', point);
      const pos = streams.next();
      const key = stores.interning.stateKey(`t.${what % 5}`, `${what % 7}`);
      const [, event] = [...stores.stateLog.allAt(point)][0] ?? [];
      stores.stateLog.append(line, pos, [[key, what % 2 === 0 ? 0 : (event ?? 0)]]);
      return { line, pos };
    });
  }

  get tip(): StatePoint {
    const line = this.store.stores.roomState.info(this.room.nid)?.line;
    if (line === undefined) throw new Error('there is no room');
    return { line, pos: this.store.streams.now() };
  }

  isMember(key: StateKeyNid): boolean {
    return this.store.stores.interning.stateKeyOf(key).typeNid === wellKnown.types.member;
  }

  expected(point: StatePoint): string[] {
    const all = [...this.store.stores.stateLog.allAt(point)].filter(([key]) => !this.isMember(key));
    return all.map(String).sort();
  }

  found(point: StatePoint, size = 2, between: () => void = () => {}): string[] {
    const found: string[] = [];
    for (const page of this.store.stores.otherState.at(this.room.nid, point, size)) {
      found.push(...page.map(String));
      between();
    }
    return found.sort();
  }
}

const steps = fc.array(fc.tuple(fc.constantFrom('set', 'drop', 'look', 'fork'), fc.nat(60)), { maxLength: 40 });

describe('OtherState', () => {
  it('is the state at any point without the member events, whatever happens while it is read', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (given) => {
        await using store = openTestStore();
        const changing = new Changing(store);
        const points: StatePoint[] = [];
        for (const [step, what] of given) {
          if (step === 'set') changing.set(what);
          else if (step === 'drop') changing.drop(what);
          else if (step === 'fork') points.push(changing.fork(points.at(-1) ?? changing.tip, what));
          else points.push(changing.tip);
        }
        for (const point of points) {
          const expected = changing.expected(point);
          assert.deepEqual(changing.found(point), expected);
          let count = 0;
          const between = () => (++count % 2 === 0 ? changing.set(count * 7 + 1) : changing.drop(count));
          assert.deepEqual(changing.found(point, 1, between), expected);
        }
      }),
      { numRuns: 25, seed: 20261121 },
    );
  });

  it('is right for a point from which very much has changed since', async () => {
    await using store = openTestStore();
    const changing = new Changing(store);
    for (let what = 0; what < 10; what++) changing.set(what);
    const point = changing.tip;
    const expected = changing.expected(point);
    const { db } = store;
    db.write<void>(() => {
      for (let index = 0; index < 2100; index++) changing.room.member(`@late${index}:far`, 'join');
    });
    changing.set(1);
    assert.deepEqual(changing.found(point), expected);
    assert.deepEqual(changing.found({ line: point.line, pos: 0 as StreamPos }), []);
  });

  it('does not look at members', async () => {
    await using store = openTestStore();
    const changing = new Changing(store);
    const plan = store.db
      .prepare<[], { detail: string }>(
        'EXPLAIN QUERY PLAN SELECT key, event FROM current_state INDEXED BY current_state_other' +
          ' WHERE room = 1 AND key > 0 AND other = 1 ORDER BY key LIMIT 5',
      )
      .all();
    assert.deepEqual(
      plan.map(({ detail }) => detail),
      ['SEARCH current_state USING INDEX current_state_other (room=? AND key>?)'],
    );
    for (let what = 0; what < 30; what++) changing.set(what);
    const others = store.db.prepare<[], number>('SELECT count(*) FROM current_state WHERE other = 1').pluck().get();
    assert.equal(others, changing.expected(changing.tip).length);
  });
});
