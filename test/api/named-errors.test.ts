import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { judgeErrors, namedErrors, neverGood, outcomesIn } from '../support/named-errors.ts';

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

  it('are not all that is seen: everything that is served was seen to succeed, or cannot', () => {
    const isGood = (outcomes: readonly string[]) => outcomes.some((outcome) => /^2\d\d$/.test(outcome));
    const bad = [...outcomesIn(guide)].filter(([, outcomes]) => !isGood(outcomes)).map(([name]) => name);
    const isKnown = (name: string) => neverGood.some(({ which }) => which.test(name));
    assert.deepEqual(
      bad.filter((name) => !isKnown(name)),
      [],
    );
    for (const { which, why } of neverGood)
      assert.ok(
        bad.some((name) => which.test(name)),
        `needless: ${why}`,
      );
  });
});
