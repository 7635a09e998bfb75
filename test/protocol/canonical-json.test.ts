import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  CanonicalJsonError,
  canonicaliseLenient,
  canonicalJson,
  canonicalKeys,
  compareCodePoints,
} from '../../src/protocol/canonical-json.ts';
import { checkStrictNumbers, parseExactJson, tryParseJson } from '../../src/protocol/parse-json.ts';
import type { JsonValue } from '../../src/util/json.ts';
import { jsonValue } from './arbitraries.ts';
import { readVectors } from './vectors.ts';

interface CanonicalJsonVectors {
  readonly accept: readonly { readonly in: string; readonly out: string; readonly note: string }[];
  readonly reject_in_room_versions_6_and_later: readonly { readonly in: string; readonly note: string }[];
}

const vectors = readVectors<CanonicalJsonVectors>('canonical-json');

/** What an edge does with JSON that has to be canonical: parse, look at the numbers, write. */
function strictly(text: string): string | undefined {
  const value = tryParseJson(text);
  if (value === undefined || !checkStrictNumbers(text)) return undefined;
  try {
    return canonicalJson(value);
  } catch (error) {
    assert.ok(error instanceof CanonicalJsonError);
    return undefined;
  }
}

describe('canonical JSON', () => {
  for (const { in: text, out, note } of vectors.accept) {
    it(`writes ${out.slice(0, 40)} (${note})`, () => {
      assert.equal(canonicalJson(tryParseJson(text), 'lenient'), out);
      assert.equal(canonicaliseLenient(text), out);
      if (!text.includes('-0')) assert.equal(strictly(text), out);
    });
  }

  for (const { in: text, note } of vectors.reject_in_room_versions_6_and_later) {
    it(`refuses ${text} in room versions 6 and later (${note})`, () => assert.equal(strictly(text), undefined));
  }

  it('keeps the numbers of old events as they were written', () => {
    const cases: readonly [string, string][] = [
      ['[1.0,50.57,1E+2, -1.50e-3 ]', '[1.0,50.57,100,-1.50e-3]'],
      ['[123456789012345678901234567890]', '[123456789012345678901234567890]'],
      ['[-9223372036854775808,9007199254740993]', '[-9223372036854775808,9007199254740993]'],
      ['[0.0,-0.0,0e5,-0]', '[0.0,-0.0,0e5,0]'],
      ['[1e400,1e+16,1e-7]', '[1e400,1e+16,1e-7]'],
      ['{"b":"1.0","a":{"z":2.50,"":[]}}', '{"a":{"":[],"z":2.50},"b":"1.0"}'],
    ];
    for (const [text, canonical] of cases) {
      assert.equal(canonicaliseLenient(text), canonical);
      assert.equal(canonicaliseLenient(canonical), canonical);
    }
    assert.throws(() => canonicaliseLenient('[1.0'), CanonicalJsonError);
  });

  it('has no strict form for a number kept as it was written', () => {
    assert.throws(() => canonicalJson(parseExactJson('[1.0]')), CanonicalJsonError);
  });

  it('refuses floats, too large integers, negative zero and what is not finite', () => {
    for (const number of [0.5, 2 ** 53, -(2 ** 53), -0, 1e300, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => canonicalJson({ a: [number] }), CanonicalJsonError);
    }
    assert.throws(() => canonicalJson(Number.NaN, 'lenient'), CanonicalJsonError);
    assert.equal(canonicalJson([-0, 0.5], 'lenient'), '[0,0.5]');
  });

  it('refuses lone surrogates in values and in keys, in either form', () => {
    for (const value of ['\ud800', 'a\udc00b', { '\udfff': 1 }, ['\udc00\ud800']]) {
      assert.throws(() => canonicalJson(value), CanonicalJsonError);
      assert.throws(() => canonicalJson(value, 'lenient'), CanonicalJsonError);
    }
  });

  it('refuses what is not JSON and leaves out undefined members', () => {
    for (const value of [undefined, [undefined], () => 1, 1n, Symbol('x')]) {
      assert.throws(() => canonicalJson(value), CanonicalJsonError);
    }
    assert.equal(canonicalJson({ b: undefined, a: 1, '"': undefined }), '{"a":1}');
  });

  it('sorts more keys than the insertion sort takes, and the rare ones too', () => {
    const names = Array.from({ length: 60 }, (_, i) => `k${(i * 37) % 60}`);
    const sorted = `{${[...names]
      .sort()
      .map((name) => `"${name}":0`)
      .join(',')}}`;
    assert.equal(canonicalJson(Object.fromEntries(names.map((name) => [name, 0]))), sorted);
    assert.deepEqual(canonicalKeys({ '\u{1f600}': 1, '\uffff': 1, '\ue000': 1, z: undefined, a: 1 }), [
      'a',
      '\ue000',
      '\uffff',
      '\u{1f600}',
    ]);
  });

  it('is the text that JSON.parse reads back to the same value, and canonical again', () => {
    fc.assert(
      fc.property(jsonValue(), (value) => {
        const text = canonicalJson(value);
        const again = JSON.parse(text) as JsonValue;
        assert.deepEqual(again, value);
        assert.equal(canonicalJson(again), text);
        assert.equal(canonicaliseLenient(text), text);
        assert.equal(strictly(text), text);
      }),
      { seed: 1, numRuns: 400 },
    );
  });

  it('does not depend on the order of members', () => {
    const reversed = (value: JsonValue): JsonValue => {
      if (Array.isArray(value)) return value.map(reversed);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([key, member]) => [key, reversed(member)]),
      );
    };
    fc.assert(
      fc.property(jsonValue(), (value) => assert.equal(canonicalJson(reversed(value)), canonicalJson(value))),
      { seed: 2, numRuns: 200 },
    );
  });

  it('orders keys as their UTF-8 bytes', () => {
    const text = fc.string({ unit: 'binary', maxLength: 4 });
    fc.assert(
      fc.property(text, text, (left, right) => {
        assert.equal(Math.sign(compareCodePoints(left, right)), Buffer.from(left).compare(Buffer.from(right)));
      }),
      { seed: 4, numRuns: 400 },
    );
  });
});
