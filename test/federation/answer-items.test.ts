import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { itemsIn } from '../../src/federation/answer-items.ts';

async function* inPieces(text: string, size = 7): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  await Promise.resolve();
}

describe('the events in an answer', () => {
  it('are cut out one by one, however the answer comes in', async () => {
    const events = [{ a: 'ü"]}' }, { b: [1, { c: null }] }, {}];
    const text = JSON.stringify({ origin: 'b.test', pdus: events, other: [1] });
    for (const size of [1, 2, 7, 1000]) assert.deepEqual(await itemsIn(inPieces(text, size), 'pdus', 10), events);
  });

  it('are no more than were asked for, and the answer is read to its end', async () => {
    let read = 0;
    const text = JSON.stringify({ pdus: Array.from({ length: 50 }, (_, n) => ({ n })) });
    const body = async function* () {
      for await (const piece of inPieces(text)) {
        read += piece.length;
        yield piece;
      }
    };
    assert.deepEqual(await itemsIn(body(), 'pdus', 2), [{ n: 0 }, { n: 1 }]);
    assert.equal(read, text.length);
  });

  it('are none where there are none, and nothing is said of what is wrong or breaks off', async () => {
    assert.deepEqual(await itemsIn(inPieces('{"other":{}}'), 'pdus', 10), []);
    assert.deepEqual(await itemsIn(inPieces('{"pdus":[]}'), 'pdus', 10), []);
    for (const text of ['', '[]', '{"pdus":{}}', '{"pdus":[{}', '{"pdus":[{}]} {}', `{"pdus":[${'['.repeat(2000)}`]) {
      assert.equal(await itemsIn(inPieces(text, 100), 'pdus', 10), undefined, text.slice(0, 20));
    }
    assert.equal(await itemsIn(inPieces(`{"pdus":["${'x'.repeat(1024 * 1024 + 10)}"]}`, 65_536), 'pdus', 1), undefined);
  });
});
