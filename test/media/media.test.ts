import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Media } from '../../src/media/media.ts';
import { RemoteMedia } from '../../src/media/remote/remote-media.ts';
import { UploadWaiters } from '../../src/media/upload-waiters.ts';
import { WorkerBlobSink } from '../../src/media/worker-blob-sink.ts';
import { MatrixError } from '../../src/protocol/errors.ts';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import { parseUserId } from '../../src/protocol/ids/user-id.ts';
import { BlobReader } from '../../src/store/media/blob-reader.ts';
import { MediaStore } from '../../src/store/media/media-store.ts';
import type { UserNid } from '../../src/store/nids.ts';
import { millis } from '../../src/util/brand.ts';
import { silentLog } from '../../src/util/log.ts';
import { WorkerPool } from '../../src/workers/worker-pool.ts';
import { openTestStore } from '../support/store.ts';

const png = { contentType: 'image/png', fileName: 'cat.png' };

async function openMedia() {
  const test = openTestStore();
  const { db, stores, clock, random } = test;
  const file = join(test.folder, 'media.db');
  const workers = new WorkerPool({ clock, log: silentLog });
  const reader = new BlobReader(file);
  const sink = new WorkerBlobSink({ workers, file, clock });
  const name = asServerName('localhost');
  const user = (localpart: string): UserNid => {
    const id = parseUserId(`@${localpart}:localhost`);
    assert.ok(id);
    return db.write(() => stores.interning.user(id));
  };
  const media = new Media({
    db,
    store: new MediaStore(db),
    reader,
    sink,
    remote: new RemoteMedia({
      db,
      store: new MediaStore(db),
      interning: stores.interning,
      sink,
      clock,
      log: silentLog,
      maxBytes: 300_000,
      client: { stream: () => Promise.reject(new Error('nobody is asked')) },
      outbound: { open: () => Promise.reject(new Error('nobody is asked')) },
    }),
    waiters: new UploadWaiters(clock),
    server: { name, nid: db.write(() => stores.interning.server(name)) },
    limits: { maxUpload: 300_000, reservation: millis(3_600_000), maxPending: 2 },
    clock,
    random,
  });
  return {
    media,
    clock,
    alice: user('alice'),
    bob: user('bob'),
    find: (uri: string, timeout = 0) => {
      const [server, id] = uri.slice('mxc://'.length).split('/') as [string, string];
      return media.find(server, id, { wait: millis(timeout), signal: new AbortController().signal, fetch: false });
    },
    async [Symbol.asyncDispose]() {
      reader.close();
      await workers.close();
      await test[Symbol.asyncDispose]();
    },
  };
}

async function* inPieces(data: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

const bytes = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => (i * 7) & 255));
const is = (errcode: string) => (problem: unknown) => problem instanceof MatrixError && problem.errcode === errcode;

describe('the media repository', () => {
  it('stores an upload under its hash and gives back what came, with type and name', async () => {
    await using t = await openMedia();
    const data = bytes(200_001);
    const file = await t.find(await t.media.upload(t.alice, inPieces(data, 7001), png));
    assert.deepEqual(file.content, createHash('sha256').update(data).digest());
    assert.deepEqual([file.size, file.contentType, file.fileName], [200_001, 'image/png', 'cat.png']);
    assert.ok(Buffer.concat([...t.media.read(file.content, 0, file.size)]).equals(data));
  });

  it('stores an empty file', async () => {
    await using t = await openMedia();
    const file = await t.find(await t.media.upload(t.alice, inPieces(bytes(0), 1), png));
    assert.equal(file.size, 0);
  });

  it('refuses what is too large and keeps nothing of it', async () => {
    await using t = await openMedia();
    await assert.rejects(t.media.upload(t.alice, inPieces(bytes(300_001), 60_000), png), is('M_TOO_LARGE'));
    t.clock.advance(10_000_000);
    assert.equal(await t.media.sweepOrphans(), 0);
  });

  it('lets a reserved URI be filled once, by who reserved it, in time', async () => {
    await using t = await openMedia();
    const { uri, expires } = await t.media.create(t.alice);
    assert.equal(expires, t.clock.now() + 3_600_000);
    const id = uri.split('/').at(-1) as string;
    const fill = (user: UserNid, data: Buffer) => t.media.uploadTo(user, 'localhost', id, inPieces(data, 100), png);
    await assert.rejects(t.find(uri), is('M_NOT_YET_UPLOADED'));
    await assert.rejects(fill(t.bob, bytes(10)), is('M_FORBIDDEN'));
    await fill(t.alice, bytes(10));
    assert.equal((await t.find(uri)).size, 10);
    await assert.rejects(fill(t.alice, bytes(11)), is('M_CANNOT_OVERWRITE_MEDIA'));
    const late = await t.media.create(t.alice);
    t.clock.advance(3_600_001);
    await assert.rejects(t.find(late.uri), is('M_NOT_FOUND'));
  });

  it('makes a download wait for an announced upload', async () => {
    await using t = await openMedia();
    const { uri } = await t.media.create(t.alice);
    const waiting = t.find(uri, 20_000);
    await t.media.uploadTo(t.alice, 'localhost', uri.split('/').at(-1) as string, inPieces(bytes(5), 5), png);
    assert.equal((await waiting).size, 5);
    const never = t.find((await t.media.create(t.alice)).uri, 20_000);
    t.clock.advance(20_000);
    await assert.rejects(never, is('M_NOT_YET_UPLOADED'));
  });

  it('lets nobody reserve without end', async () => {
    await using t = await openMedia();
    await t.media.create(t.alice);
    await t.media.create(t.alice);
    await assert.rejects(t.media.create(t.alice), is('M_LIMIT_EXCEEDED'));
    await t.media.create(t.bob);
  });

  it('knows no other server’s files and no malformed IDs', async () => {
    await using t = await openMedia();
    await assert.rejects(t.find('mxc://elsewhere.example/abc'), is('M_NOT_FOUND'));
    await assert.rejects(t.find('mxc://localhost/..%2f'), is('M_INVALID_PARAM'));
  });
});
