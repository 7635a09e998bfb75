import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { authRules, eventRules } from '../../src/store/check/event-rules.ts';
import { broken } from '../../src/store/check/queries.ts';
import { stateRules } from '../../src/store/check/state-rules.ts';
import { EngineCheck } from '../support/rooms/engine-check.ts';
import { Seeded } from '../support/seeded.ts';
import { openTestStore } from '../support/store.ts';

describe('StateEngine', () => {
  for (const version of ['1', '2', '6', '11', '12']) {
    it(`equals the resolution of whole states in random graphs of room version ${version}`, async () => {
      await using store = openTestStore();
      let rooms = 0;
      const check = (seed: number) => new EngineCheck(store, new Seeded(seed), version, ++rooms).run(30);
      const property = fc.property(fc.integer({ min: 0 }), (seed) => store.db.write<void>(() => check(seed)));
      fc.assert(property, { seed: 20261121, numRuns: 12 });
      assert.deepEqual([...broken(store.db, [...stateRules, ...eventRules, ...authRules])], []);
    });
  }
});
