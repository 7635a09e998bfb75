import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type CutOptions, JsonCutError, JsonCutter } from '../../../src/protocol/json-stream/json-cutter.ts';

const options: CutOptions = {
  arrays: new Set(['state', 'auth_chain']),
  members: new Set(['event', 'origin']),
  maxBytes: 1000,
  maxDepth: 8,
};

/** What comes out when the text arrives in chunks of these sizes, over and over. */
function cut(text: string | Buffer, sizes: readonly number[], given: CutOptions = options): Record<string, unknown> {
  const bytes = Buffer.from(text);
  const cutter = new JsonCutter(given);
  const found: Record<string, unknown> = {};
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] as number;
    // A buffer of its own: what is cut must not rely on what stands around the chunk.
    for (const { key, isItem, bytes: piece } of cutter.push(Buffer.from(bytes.subarray(at, at + size)))) {
      const value: unknown = JSON.parse(piece.toString());
      found[key] = isItem ? [...((found[key] as unknown[] | undefined) ?? []), value] : value;
    }
    at += size;
  }
  cutter.end();
  return found;
}

const spaces = fc.array(fc.constantFrom(' ', '\n', '\t', '\r'), { maxLength: 3 }).map((all) => all.join(''));
const key = fc.oneof(fc.constantFrom('state', 'auth_chain', 'event', 'origin'), fc.string({ unit: 'binary' }));
const sizes = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 5 });

describe('a JSON text cut into pieces', () => {
  it('gives what JSON.parse gives, wherever its chunks end', () => {
    const member = fc.tuple(key, fc.jsonValue(), fc.array(fc.jsonValue(), { maxLength: 5 }), spaces);
    fc.assert(
      fc.property(fc.uniqueArray(member, { selector: ([name]) => name, maxLength: 6 }), sizes, (members, chunks) => {
        const parts = members.map(([name, value, items, gap]) => {
          const isArray = options.arrays.has(name);
          const written = isArray
            ? `[${gap}${items.map((item) => JSON.stringify(item, null, gap.length)).join(`${gap},`)}${gap}]`
            : JSON.stringify(value, null, gap.length);
          return `${gap}${JSON.stringify(name)}${gap}:${gap}${written}${gap}`;
        });
        const text = ` {${parts.join(',')}} `;
        const expected: Record<string, unknown> = {};
        for (const [name, value] of Object.entries(JSON.parse(text) as Record<string, unknown>)) {
          if (options.arrays.has(name) ? (value as unknown[]).length > 0 : options.members.has(name)) {
            expected[name] = value;
          }
        }
        assert.deepEqual(cut(text, chunks, { ...options, maxBytes: 1e6, maxDepth: 1000 }), expected);
      }),
      { seed: 5, numRuns: 1500 },
    );
  });

  it('never answers when the text was damaged, or answers what is still JSON', () => {
    const text = '{"state":[{"a":"x\\"y","b":[1,2]},"s",-1.5e3,true],"event":{"c":{}},"other":[[]],"origin":"é"}';
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: text.length }),
        fc.constantFrom('', '"', '\\', '{', '}', '[', ']', ',', ':', '0', ' '),
        sizes,
        (at, put, chunks) => {
          const damaged = text.slice(0, at) + put + text.slice(at + 1);
          let whole: Record<string, unknown> | undefined;
          try {
            whole = JSON.parse(damaged) as Record<string, unknown>;
          } catch {
            // Members that nobody wants are skipped without being understood.
          }
          let found: Record<string, unknown>;
          try {
            found = cut(damaged, chunks);
          } catch {
            assert.ok(whole === undefined || !Array.isArray(whole['state']), damaged);
            return;
          }
          if (whole === undefined) return;
          assert.deepEqual(found['event'], whole['event']);
          assert.deepEqual(found['state'] ?? [], whole['state'] ?? []);
        },
      ),
      { seed: 7, numRuns: 2000 },
    );
  });

  const refused: [string, string, RegExp][] = [
    ['an array around it', '[200,{}]', /expected/],
    ['nothing', '', /too early/],
    ['an end in the middle', '{"state":[{"a":1}', /too early/],
    ['an end in a string', '{"state":["a', /too early/],
    ['something behind it', '{} {}', /follows/],
    ['an array that is none', '{"state":{}}', /expected/],
    ['a wanted member twice', '{"event":1,"event":2}', /twice/],
    ['a key that is no string', '{1:2}', /no key/],
    ['a comma too many', '{"state":[1,]}', /missing/],
    ['an item too large', `{"state":["${'x'.repeat(1001)}"]}`, /too large/],
    ['a member too large', `{"event":"${'x'.repeat(1001)}"}`, /too large/],
    ['a key too large', `{"${'x'.repeat(1100)}":1}`, /too large/],
    ['an item too deep', `{"state":[${'['.repeat(9)}${']'.repeat(9)}]}`, /too deep/],
    ['a byte-order mark', '\ufeff{}', /expected/],
  ];
  for (const [what, text, reason] of refused) {
    it(`is refused with ${what}`, () => {
      for (const size of [1, 7, 5000]) {
        assert.throws(
          () => cut(text, [size]),
          (error) => error instanceof JsonCutError && reason.test(error.message),
        );
      }
    });
  }

  it('skips members that nobody wants, whatever their size', () => {
    const text = `{"members":[${'[{"a":"]}"}],'.repeat(5000)}1],"event":1}`;
    assert.deepEqual(cut(text, [4096]), { event: 1 });
  });
});
