import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { boundaryOf, MultipartError, MultipartReader } from '../../../src/media/remote/multipart.ts';

async function* chunks(data: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

async function* of(...pieces: (string | Buffer)[]): AsyncGenerator<Buffer> {
  for (const piece of pieces) yield Buffer.from(piece as string);
}

async function all(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const gathered: Buffer[] = [];
  for await (const piece of body) gathered.push(piece);
  return Buffer.concat(gathered);
}

async function parts(reader: MultipartReader) {
  const found: { headers: Record<string, string>; body: string }[] = [];
  for (let part = await reader.next(); part !== undefined; part = await reader.next()) {
    found.push({ headers: Object.fromEntries(part.headers), body: (await all(part.body)).toString('latin1') });
  }
  return found;
}

const usual =
  '--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b\r\nContent-Type: image/png\r\nContent-Disposition: inline\r\n\r\nPNG\r\n--b--\r\n';

describe('the boundary of multipart/mixed', () => {
  for (const [type, boundary] of [
    ['multipart/mixed; boundary=abc', 'abc'],
    ['Multipart/Mixed;charset=x; BOUNDARY="a b:c"', 'a b:c'],
    ['multipart/mixed; boundary="ends with a space "', undefined],
    ['multipart/mixed', undefined],
    ['multipart/mixed; boundary=', undefined],
    ['multipart/mixed; boundary=""', undefined],
    [`multipart/mixed; boundary=${'a'.repeat(71)}`, undefined],
    ['multipart/mixed; boundary="a\r\nb"', undefined],
    ['multipart/related; boundary=abc', undefined],
    ['application/json', undefined],
    [undefined, undefined],
  ] as const) {
    it(`of ${type} is ${boundary}`, () => assert.equal(boundaryOf(type), boundary));
  }
});

describe('an answer in parts', () => {
  it('is read however it is cut into pieces', async () => {
    for (let size = 1; size <= usual.length; size++) {
      assert.deepEqual(await parts(new MultipartReader(chunks(Buffer.from(usual), size), 'b')), [
        { headers: { 'content-type': 'application/json' }, body: '{}' },
        { headers: { 'content-type': 'image/png', 'content-disposition': 'inline' }, body: 'PNG' },
      ]);
    }
  });

  it('may begin with words, have no headers, fold them, and end without a last line', async () => {
    const text = 'Hello\r\n--b  \r\n\r\nfirst\r\n--b\r\nA: one\r\n\ttwo\r\n\r\n\r\n--b--';
    assert.deepEqual(await parts(new MultipartReader(of(text), 'b')), [
      { headers: {}, body: 'first' },
      { headers: { a: 'one two' }, body: '' },
    ]);
  });

  it('skips what is left of a part', async () => {
    const reader = new MultipartReader(of(usual), 'b');
    await reader.next();
    const second = await reader.next();
    assert.equal(second?.headers.get('content-type'), 'image/png');
  });

  it('keeps what only looks like a boundary', async () => {
    const body = '--b\n\r\n--\r\n-b \r--b\r\n\r\n--a';
    const reader = new MultipartReader(chunks(Buffer.from(`--b\r\n\r\n${body}\r\n--b--`), 3), 'b');
    assert.deepEqual(await parts(reader), [{ headers: {}, body }]);
  });

  it('gives back any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), fc.integer({ min: 1, max: 50 }), async (bytes, size) => {
        const body = Buffer.from(bytes);
        const head = Buffer.from('--boundary7\r\nX: y\r\n\r\n');
        const answer = Buffer.concat([head, body, Buffer.from('\r\n--boundary7--\r\n')]);
        const part = await new MultipartReader(chunks(answer, size), 'boundary7').next();
        assert.ok(part);
        assert.deepEqual(await all(part.body), body);
      }),
      { seed: 7, numRuns: 200 },
    );
  });

  for (const [what, text] of [
    ['has no boundary', `${'x'.repeat(5000)}\r\n--b\r\n\r\n`],
    ['has another boundary', '--c\r\n\r\nhello\r\n--c--\r\n'],
    ['is cut off in a body', '--b\r\n\r\nhello'],
    ['is cut off in the headers', '--b\r\nContent-Type: text'],
    ['has headers without end', `--b\r\n${'A: b\r\n'.repeat(5000)}\r\nhello\r\n--b--`],
    ['has a header without end', `--b\r\nA: ${'b'.repeat(20_000)}\r\n\r\nhello\r\n--b--`],
    ['has headers that are none', '--b\r\nnonsense\r\n\r\nhello\r\n--b--'],
    ['has a boundary that goes on', '--b\r\n\r\nhello\r\n--bc\r\n\r\n--b--'],
    ['is empty', ''],
  ] as const) {
    it(`is refused where it ${what}`, async () => {
      await assert.rejects(parts(new MultipartReader(chunks(Buffer.from(text), 100), 'b')), MultipartError);
    });
  }

  it('is held in memory a chunk at a time, however long it is', async () => {
    async function* endless(): AsyncGenerator<Buffer> {
      yield Buffer.from('--b\r\n\r\n');
      for (;;) yield Buffer.alloc(1000, 'x');
    }
    const reader = new MultipartReader(endless(), 'b');
    const part = await reader.next();
    let size = 0;
    let longest = 0;
    for await (const piece of part?.body ?? []) {
      longest = Math.max(longest, piece.length);
      size += piece.length;
      if (size > 1_000_000) break;
    }
    assert.ok(longest <= 1010, `${longest}`);
    await reader.close();
  });
});
