import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { judgeErrors, namedErrors, outcomesIn } from '../support/named-errors.ts';

const guide = readFileSync(new URL('../../docs/endpoints.md', import.meta.url), 'utf8');

describe('the errors that the specification names', () => {
  it('are read from its list', () => assert.ok(namedErrors().length > 250));

  it('were all seen by a test, or there is a reason why they cannot come from here', () => {
    const seen = outcomesIn(guide);
    assert.ok(seen.size > 150, `only ${seen.size} endpoints were read`);
    const { unseen, stale } = judgeErrors(seen);
    assert.deepEqual(unseen, []);
    assert.deepEqual(stale, [], 'reasons that nothing needs');
  });
});
