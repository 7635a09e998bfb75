import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SizedLru } from '../../src/util/sized-lru.ts';

describe('SizedLru', () => {
  it('drops what was used longest ago once it is full', () => {
    const map = new SizedLru<string, number>(2, () => 1);
    map.set('a', 1);
    map.set('b', 2);
    assert.equal(map.get('a'), 1);
    map.set('c', 3);
    assert.equal(map.get('b'), undefined);
    assert.equal(map.get('a'), 1);
    assert.equal(map.size, 2);
  });

  it('counts weights, and does not keep what is heavier than its capacity', () => {
    const map = new SizedLru<string, string>(10, (text) => text.length);
    map.set('a', 'aaaa');
    map.set('b', 'bbbb');
    map.set('a', 'aa');
    map.set('c', 'cccc');
    assert.equal(map.size, 3);
    map.set('d', 'd'.repeat(11));
    assert.equal(map.get('d'), undefined);
    assert.equal(map.size, 3);
    map.set('e', 'e'.repeat(10));
    assert.equal(map.size, 1);
    map.delete('e');
    map.set('f', 'f'.repeat(10));
    assert.equal(map.get('f'), 'f'.repeat(10));
    map.clear();
    assert.equal(map.size, 0);
  });
});
