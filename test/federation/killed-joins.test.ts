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
});
