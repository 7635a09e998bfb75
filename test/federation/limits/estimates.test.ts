import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { estimate } from '../../../scripts/bench/estimates.ts';

describe('what hearth room estimate says', () => {
  it('is within a factor 1.5 of the disk that a room then takes', async () => {
    // All twenty rooms, of up to 80,000 members, are in the benchmarks: `--only estimates`.
    const shape = { members: 250, servers: 40, version: '10', odd: { kind: 'bans', count: 250 } } as const;
    const { estimatedMb, grownMb } = await estimate(shape, { prefix: [] });
    const ratio = estimatedMb / grownMb;
    assert.ok(ratio < 1.5 && ratio > 1 / 1.5, `${estimatedMb} MB were expected, ${grownMb} it became`);
  });
});
