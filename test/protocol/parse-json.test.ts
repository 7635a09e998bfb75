import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MatrixError } from '../../src/protocol/errors.ts';
import {
  checkStrictNumbers,
  parseExactJson,
  parseJson,
  RawNumber,
  tryParseJson,
} from '../../src/protocol/parse-json.ts';
import { jsonValue } from './arbitraries.ts';

const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);

describe('JSON from outside', () => {
  const refused: readonly [string, string | Buffer][] = [
    ['an empty body', ''],
    ['a truncated object', '{"a":'],
    ['trailing text', '{} x'],
    ['NaN', '{"a":NaN}'],
    ['a byte-order mark', Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d])],
    ['bad UTF-8', Buffer.from([0x22, 0xff, 0x22])],
    ['an overlong encoding', Buffer.from([0x22, 0xc0, 0x80, 0x22])],
    ['a surrogate encoded as UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
    ['a raw control character', '"\u0001"'],
    ['a single quote', "{'a':1}"],
    ['a leading zero', '[01]'],
    ['nesting beyond the limit', nested(1001)],
    ['a nesting bomb', nested(100_000)],
  ];
  for (const [what, data] of refused) {
    it(`refuses ${what}`, () => {
      assert.equal(tryParseJson(data), undefined);
      assert.equal(parseExactJson(data), undefined);
      assert.throws(
        () => parseJson(data),
        (error) => error instanceof MatrixError && error.errcode === 'M_NOT_JSON' && error.status === 400,
      );
    });
  }

  it('takes nesting up to the limit, whatever it is made of', () => {
    assert.ok(Array.isArray(parseJson(nested(1000))));
    assert.deepEqual(parseJson('{"a":[{}]}', { maxDepth: 3 }), { a: [{}] });
    assert.equal(tryParseJson('{"a":[{}]}', { maxDepth: 2 }), undefined);
    assert.equal(tryParseJson('[[],{"a":{"b":1}}]', { maxDepth: 2 }), undefined);
    assert.equal(parseJson('1', { maxDepth: 0 }), 1);
  });

  it('reads bytes as UTF-8, also from a part of a larger buffer', () => {
    const bytes = Buffer.from('xx{"é":"😀"}xx');
    assert.deepEqual(parseJson(bytes.subarray(2, -2)), { é: '😀' });
    assert.deepEqual(parseJson(new Uint8Array(Buffer.from('[1]'))), [1]);
  });

  it('keeps the last of repeated keys, and __proto__ as an ordinary one', () => {
    assert.deepEqual(parseJson('{"a":1,"a":2}'), { a: 2 });
    const value = parseJson('{"__proto__":{"admin":true}}') as { admin?: boolean };
    assert.deepEqual(Object.keys(value), ['__proto__']);
    assert.equal(value.admin, undefined);
    const exact = parseExactJson('{"__proto__":{"admin":1.0}}') as { admin?: unknown };
    assert.deepEqual(Object.keys(exact), ['__proto__']);
    assert.equal(exact.admin, undefined);
  });
});

describe('numbers in a JSON text', () => {
  const strict = [
    '0',
    ' [0, 1,-1 ,\n9007199254740991,-9007199254740991]',
    '{"a":"1.5","b":"x,1.5","c":": -0 , 12345678901234567 [1e5"}',
    '{"\\"":"\\\\","b":1,"c":"\\\\\\" :1.5"}',
    '["aGFzaA1e5.0/-0"]',
    'true',
  ];
  for (const text of strict)
    it(`are strict in ${JSON.stringify(text)}`, () => assert.equal(checkStrictNumbers(text), true));

  const odd = [
    '1.0',
    '-0',
    '[1e2]',
    '[1,\t-0]',
    '{"a":1E5}',
    '{"a" : 0.0}',
    '9007199254740992',
    '[-9007199254740992]',
    '{"a":"\\"","b":1.5}',
    '{"a":"\\\\","b":-0}',
    '[[12345678901234567890]]',
    '[0e0]',
  ];
  for (const text of odd)
    it(`are not strict in ${JSON.stringify(text)}`, () => assert.equal(checkStrictNumbers(text), false));

  it('are found wherever they stand', () => {
    const number = fc.constantFrom('1.0', '-0', '1e2', '123456789012345678', '-1E-5', '0.5');
    fc.assert(
      fc.property(jsonValue(), jsonValue(), number, fc.constantFrom('', ' ', '\n\t'), (left, right, odd, space) => {
        const around = [JSON.stringify(left), JSON.stringify(right)] as const;
        assert.equal(checkStrictNumbers(`[${around[0]},${space}7${space},${around[1]}]`), true);
        assert.equal(checkStrictNumbers(`[${around[0]},${space}${odd}${space},${around[1]}]`), false);
        assert.equal(checkStrictNumbers(`{"a":${around[0]},"b"${space}:${space}${odd}}`), false);
      }),
      { seed: 5, numRuns: 200 },
    );
  });

  it('keep their text in an exact parse only where a double would lose it', () => {
    const value = parseExactJson('{"a":[1,1.5,1.50,12345678901234567890],"b":"1.50"}') as { a: unknown[] };
    assert.deepEqual(value.a, [1, 1.5, new RawNumber('1.50'), new RawNumber('12345678901234567890')]);
    assert.equal(JSON.stringify(value), '{"a":[1,1.5,1.5,12345678901234567000],"b":"1.50"}');
  });
});
