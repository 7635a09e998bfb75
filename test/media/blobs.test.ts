import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { BlobReader } from '../../src/store/media/blob-reader.ts';
import { chunkBytes } from '../../src/store/media/blob-schema.ts';
import { BlobWriter } from '../../src/store/media/blob-writer.ts';

describe('media.db', () => {
  const dir = mkdtempSync(join(tmpdir(), 'hearth-blobs-'));
  after(() => rmSync(dir, { recursive: true, force: true }));

  const write = (writer: BlobWriter, data: Buffer, pieces: readonly number[] = [data.length]): Buffer => {
    const nid = writer.begin(0);
    let at = 0;
    for (const piece of pieces) {
      writer.append(nid, data.subarray(at, at + piece));
      at += piece;
    }
    writer.append(nid, data.subarray(at));
    return writer.finish(nid, 0).content;
  };
  const bytes = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 255));

  it('gives back any range of what came in, in whatever pieces', () => {
    const file = join(dir, 'ranges.db');
    const writer = new BlobWriter(file);
    const reader = new BlobReader(file);
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 3 * chunkBytes }),
        fc.array(fc.integer({ min: 0, max: chunkBytes + 1 }), { maxLength: 6 }),
        fc.nat(),
        fc.nat(),
        (length, pieces, a, b) => {
          const data = bytes(length);
          const content = write(writer, data, pieces);
          assert.deepEqual(content, createHash('sha256').update(data).digest());
          const [from, to] = [a % (length + 1), b % (length + 1)].sort((x, y) => x - y) as [number, number];
          assert.ok(Buffer.concat([...(reader.read(content, from, to) ?? [])]).equals(data.subarray(from, to)));
        },
      ),
      { seed: 5, numRuns: 60 },
    );
    reader.close();
    writer.close();
  });

  it('keeps equal bytes once, and deletes them by their hash', () => {
    const file = join(dir, 'once.db');
    const writer = new BlobWriter(file);
    const reader = new BlobReader(file);
    const content = write(writer, bytes(100_000));
    assert.deepEqual(write(writer, bytes(100_000)), content);
    assert.equal(writer.page(0, 1, 10).length, 1);
    writer.delete([content], 1);
    assert.equal(writer.page(0, 1, 10).length, 0);
    assert.equal(reader.read(content, 0, 1), undefined);
    reader.close();
    writer.close();
  });

  it('spares what is handed in again, or took long to hand in, from a sweep that has seen it unused', () => {
    const file = join(dir, 'again.db');
    const writer = new BlobWriter(file);
    const content = write(writer, bytes(1000));
    const slow = writer.begin(0);
    writer.append(slow, bytes(2000));
    const swept = writer.page(0, 50, 10).map((blob) => blob.content);
    assert.deepEqual(swept, [content]);
    const again = writer.begin(60);
    writer.append(again, bytes(1000));
    assert.deepEqual(writer.finish(again, 61).content, content);
    writer.finish(slow, 62);
    assert.deepEqual(writer.page(0, 50, 10), [], 'neither is old');
    writer.delete(swept, 50);
    assert.equal(writer.page(0, 100, 10).length, 2);
    writer.delete(swept, 100);
    assert.equal(writer.page(0, 100, 10).length, 1);
    writer.close();
  });

  it('throws away what a crash left unfinished, and what was given up', () => {
    const file = join(dir, 'crash.db');
    const crashed = new BlobWriter(file);
    crashed.append(crashed.begin(0), bytes(200_000));
    const given = crashed.begin(0);
    crashed.append(given, bytes(70_000));
    crashed.abort(given);
    crashed.close();
    const writer = new BlobWriter(file);
    const content = write(writer, bytes(10));
    const reader = new BlobReader(file);
    assert.equal(Buffer.concat([...(reader.read(content, 0, 10) ?? [])]).length, 10);
    assert.equal(writer.page(0, 1, 10).length, 1);
    reader.close();
    writer.close();
  });
});
