import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { EventFields, propertyPath } from '../../../src/protocol/filters/event-fields.ts';
import type { JsonObject } from '../../../src/util/json.ts';

describe('dot-separated property paths', () => {
  const table: [path: string, names: string[]][] = [
    ['content.body', ['content', 'body']],
    ['content.m\\.relates_to', ['content', 'm.relates_to']],
    ['content.m\\\\foo', ['content', 'm\\foo']],
    ['a\\\\.b', ['a\\', 'b']],
    ['a\\xb', ['a\\xb']],
    ['a\\', ['a\\']],
    ['', ['']],
    ['a..b', ['a', '', 'b']],
  ];
  for (const [path, names] of table) it(JSON.stringify(path), () => assert.deepEqual(propertyPath(path), names));

  it('name every property', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1, maxLength: 5 }), (names) => {
        const path = names.map((name) => name.replaceAll(/[.\\]/g, '\\$&')).join('.');
        assert.deepEqual(propertyPath(path), names);
      }),
      { seed: 1 },
    );
  });
});

describe('event_fields', () => {
  const event: JsonObject = {
    type: 'm.room.message',
    content: { body: 'hello', 'm.relates_to': { event_id: '$a', rel_type: 'm.thread' }, list: [{ a: 1 }] },
    unsigned: { age: 1 },
  };
  const table: [paths: string[], picked: JsonObject][] = [
    [['type'], { type: 'm.room.message' }],
    [['content.body', 'unsigned.age'], { content: { body: 'hello' }, unsigned: { age: 1 } }],
    [['content.m\\.relates_to.event_id'], { content: { 'm.relates_to': { event_id: '$a' } } }],
    [['content.m.relates_to'], {}],
    [['content.body', 'content'], { content: event['content'] as JsonObject }],
    [['content', 'content.body'], { content: event['content'] as JsonObject }],
    [['content.list.0', 'type.length', 'content.body.x'], {}],
    [['nothing', 'content.nothing', '__proto__', 'constructor.name'], {}],
  ];
  for (const [paths, expected] of table) {
    it(`${JSON.stringify(paths)} leaves what they name`, () =>
      assert.deepEqual(EventFields.of(paths)?.pick(event), expected));
  }

  it('wants everything where nothing, or too much, is named', () => {
    assert.equal(EventFields.of(undefined), undefined);
    assert.equal(EventFields.of([]), undefined);
    assert.equal(EventFields.of(Array.from({ length: 201 }, (_, i) => `${i}`)), undefined);
  });

  it('never leaves more than there was', () => {
    const names = fc.constantFrom('a', 'b', 'c.d', '__proto__', '');
    const object = fc.letrec((tie) => ({
      value: fc.oneof({ maxDepth: 4 }, fc.integer(), fc.dictionary(names, tie('value'))),
    })).value;
    fc.assert(
      fc.property(
        fc.dictionary(names, object),
        fc.array(fc.string(), { minLength: 1, maxLength: 5 }),
        (given, paths) => {
          const all = JSON.parse(JSON.stringify(given)) as JsonObject;
          const once = EventFields.of(paths)?.pick(all) ?? {};
          assert.deepEqual(EventFields.of(paths)?.pick(once), once);
        },
      ),
      { seed: 1 },
    );
  });
});
