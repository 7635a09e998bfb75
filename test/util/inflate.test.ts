import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { constants, deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { dictionary1 } from '../../src/store/bodies/dictionary-1.ts';
import { Inflater } from '../../src/util/inflate.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const strategies = [constants.Z_DEFAULT_STRATEGY, constants.Z_FILTERED, constants.Z_HUFFMAN_ONLY, constants.Z_RLE, constants.Z_FIXED]; // biome-ignore format: a table
const inflater = new Inflater(dictionary1);

function deflated(text: string, level = 9, strategy: number = constants.Z_DEFAULT_STRATEGY): Buffer {
  return deflateRawSync(text, { dictionary: dictionary1, windowBits: 13, level, strategy });
}

function back(text: string, level?: number, strategy?: number): string {
  return inflater.text(deflated(text, level, strategy), Buffer.byteLength(text));
}

describe('reading deflated texts', () => {
  it('gives back what zlib has written, with every kind of block', () => {
    const random = new SeededRandom('inflate');
    const texts = [
      '',
      'x',
      '{"avatar_url":"mxc://matrix.org/abc","displayname":"Ann","membership":"join"}',
      'ab'.repeat(3000),
      'Für Elise, 👍️ '.repeat(50),
      random.bytes(3000).toString('latin1'),
      // Longer than what is kept for texts, and than the window.
      random.bytes(40_000).toString('hex'),
    ];
    for (const text of texts) {
      for (const level of [0, 1, 6, 9]) {
        for (const strategy of strategies) assert.ok(back(text, level, strategy) === text, `${level} ${strategy}`);
      }
    }
  });

  it('gives back any text', () => {
    const words = fc.array(fc.constantFrom('"membership":"join"', 'm.text', 'a', 'ä', '👍️', '{"body":"', ' the '));
    const texts = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      words.map((each) => each.join('')),
    );
    fc.assert(
      fc.property(texts, fc.constantFrom(0, 1, 9), fc.constantFrom(...strategies), (text, level, strategy) =>
        assert.equal(back(text, level, strategy), text),
      ),
      { seed: 20261121, numRuns: 400 },
    );
  });

  it('refuses bytes that are not such a text, and goes on with the next', () => {
    const text = '{"displayname":"Ann","membership":"join","reason":"hello there"}';
    const good = deflated(text);
    const cases: readonly (readonly [string, Buffer, number])[] = [
      ['cut off', good.subarray(0, -2), text.length],
      ['empty', Buffer.alloc(0), 0],
      ['longer than it says', good, text.length - 1],
      ['shorter than it says', good, text.length + 1],
      ['an unknown kind of block', Buffer.from([0b111]), 4],
      ['a stored block that is cut off', Buffer.from([1, 2, 0, 0xfd, 0xff, 65]), 2],
    ];
    for (const [what, bytes, length] of cases) {
      assert.throws(() => inflater.text(bytes, length), RangeError, what);
      assert.equal(back(text), text);
    }
    // What was written with a dictionary is not read without.
    assert.throws(() => new Inflater(Buffer.alloc(0)).text(deflated('"membership":"join"'), 19), RangeError);
  });

  it('ends with an error or a text of the right length for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(300), (bytes, length) => {
        try {
          inflater.text(bytes, length);
        } catch (error) {
          assert.ok(error instanceof RangeError);
        }
        assert.equal(back('"membership":"join"'), '"membership":"join"');
      }),
      { seed: 7, numRuns: 1000 },
    );
  });
});
