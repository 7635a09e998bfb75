import { describe, it } from 'node:test';
import { Simulation } from '../support/federation/simulation.ts';

describe('three servers over a network that fails in every way', () => {
  for (const [seed, version] of [
    [1, '12'],
    [5, '9'],
    [10, '2'],
    [44, '11'],
  ] as const) {
    it(`agree on a room of version ${version} when all is well again (seed ${seed})`, async () => {
      await Simulation.run({ seed, version, steps: 70 });
    });
  }

  for (const seed of [112, 114]) {
    it(`agree on the state of a room whose history one of them keeps deleting (seed ${seed})`, async () => {
      await Simulation.run({ seed, steps: 80, forgets: true });
    });
  }
});
