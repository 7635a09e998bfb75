import { describe, it } from 'node:test';
import fc from 'fast-check';
import { EngineCheck } from '../support/engine-check.ts';
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
    });
  }
});
