import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { containsWords, starPattern, wholeGlob, wordGlob } from '../../../src/protocol/push-rules/glob.ts';

describe('glob-style matching', () => {
  const whole: readonly [string, string, boolean][] = [
    ['lunc?*', 'Lunch plans', true],
    ['lunc?*', 'LUNCH', true],
    ['lunc?*', ' lunch', false],
    ['lunc?*', 'lunc', false],
    ['*', '', true],
    ['', '', true],
    ['', 'x', false],
    ['?', '😀', true],
    ['a*b*c', 'axxbyyc', true],
    ['a*b*c', 'axxcyyb', false],
    ['a*a', 'a', false],
    ['*?b', 'ab', true],
    ['*?b', 'b', false],
    ['m.room.member', 'm.room.member', true],
    ['m.room.member', 'mxroom.member', false],
    ['STRASSE', 'strasse', true],
    ['a.c', 'abc', false],
    ['[a]', '[a]', true],
  ];
  for (const [pattern, value, expected] of whole) {
    it(`matches the whole value: ${pattern} ${expected ? '=' : '≠'} ${JSON.stringify(value)}`, () => {
      assert.equal(wholeGlob(pattern)(value), expected);
    });
  }

  const words: readonly [string, string, boolean][] = [
    ['ex*ple', 'An example event.', true],
    ['ex*ple', 'exple', true],
    ['ex*ple', 'An exciting triple-whammy', true],
    ['cake', 'cakes', false],
    ['cake', 'A CAKE!', true],
    ['cake', 'pancake', false],
    ['cake', 'pancake cake', true],
    ['cak?', 'some cake', true],
    ['cak?', 'some cakes', false],
    ['tea time', "it's tea time", true],
    ['tea', 'tea_time', false],
    ['@room', 'hello @room', true],
    ['ca*', 'x cake', true],
    ['*ke', 'x cake', true],
    ['?', 'ab', false],
    ['?', 'a b', true],
    ['é', 'café', true],
  ];
  for (const [pattern, value, expected] of words) {
    it(`matches between word boundaries: ${pattern} ${expected ? '=' : '≠'} ${JSON.stringify(value)}`, () => {
      assert.equal(wordGlob(pattern)(value), expected);
    });
  }

  it('agrees with regular expressions on small texts', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '-'), maxLength: 8 });
    const patterns = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '*', '?'), maxLength: 6 });
    fc.assert(
      fc.property(patterns, letters, (pattern, value) => {
        const source = pattern.replaceAll('*', '[^]*').replaceAll('?', '[^]');
        assert.equal(wholeGlob(pattern)(value), new RegExp(`^${source}$`).test(value), 'whole');
        assert.equal(
          starPattern(pattern.replaceAll('?', ''))(value),
          new RegExp(`^${source.replaceAll(/\[\^\](?!\*)/g, '')}$`).test(value),
          'star',
        );
        assert.equal(wordGlob(pattern)(value), naiveWords(source, value), 'words');
      }),
      { seed: 7, numRuns: 3000 },
    );
  });

  it('stays quick on patterns made to be slow', () => {
    const value = 'a'.repeat(60_000);
    assert.equal(wordGlob(`${'a*'.repeat(50)}b`)(value), false);
    assert.equal(wholeGlob(`${'*a'.repeat(50)}*b`)(value), false);
  });

  it('takes a display name as it is', () => {
    assert.equal(containsWords('hi A*B there', 'a*b'), true);
    assert.equal(containsWords('hi axb there', 'a*b'), false);
    assert.equal(containsWords('alice: hi', 'Alice'), true);
    assert.equal(containsWords('malice', 'Alice'), false);
  });
});

/** Every substring between boundaries, tried one after the other. */
function naiveWords(source: string, value: string): boolean {
  const word = (at: number) => /\w/.test(value.charAt(at));
  const boundary = (at: number) => at === 0 || at === value.length || !word(at - 1) || !word(at);
  const whole = new RegExp(`^${source}$`);
  for (let start = 0; start <= value.length; start++) {
    for (let end = start; end <= value.length; end++) {
      if (boundary(start) && boundary(end) && whole.test(value.slice(start, end))) return true;
    }
  }
  return false;
}
