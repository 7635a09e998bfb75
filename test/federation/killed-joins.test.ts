import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { giantKills } from '../../scripts/bench/giant-kills.ts';

describe('a join of a large room, killed at random moments', () => {
  for (const canOmitMembers of [false, true]) {
    const answer = canOmitMembers ? 'an answer without members' : 'a whole answer';
    it(`goes on by itself, and ends as if nothing had happened, with ${answer}`, { timeout: 150_000 }, async () => {
      const figures = await giantKills({ members: 300, servers: 20, kills: 1, seed: answer, canOmitMembers });
      assert.deepEqual(figures.differences, []);
      assert.ok(figures.tables > 80);
    });
  }

  // In the whole answer the join itself is the only one; else the question for the members is another.
  for (const [canOmitMembers, answers] of [
    [false, 2],
    [true, 4],
  ] as const) {
    const answer = canOmitMembers ? 'the members were' : 'the whole answer was';
    it(`goes on with what is here already when ${answer} there, and nobody is asked again`, {
      timeout: 150_000,
    }, async () => {
      const room = { members: 1500, servers: 20, kills: 1, seed: answer };
      const figures = await giantKills({ ...room, canOmitMembers, onceKept: true });
      assert.deepEqual(figures.differences, []);
      assert.deepEqual(figures.stages, ['filling in']);
      assert.equal(figures.answers, answers);
    });
  }
});
