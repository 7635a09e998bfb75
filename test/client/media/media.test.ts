import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import sharp from 'sharp';
import type { Injected } from '../../support/clients/inject.ts';
import { picturePng } from '../../support/pictures.ts';
import { World } from '../../support/servers/world.ts';

const upload = '/_matrix/media/v3/upload';
const download = '/_matrix/client/v1/media/download';
const thumbnail = '/_matrix/client/v1/media/thumbnail';
const png = { 'content-type': 'image/png' };

describe('media over HTTP', () => {
  let world: World;
  let alice: string;
  let bob: string;
  before(async () => {
    world = await World.open({ media: { max_upload_mb: 1, max_image_megapixels: 1 } });
    alice = await world.register('alice');
    bob = await world.register('bob');
  });
  after(() => world[Symbol.asyncDispose]());

  const idOf = (uri: string): string => uri.slice('mxc://'.length);
  const put = async (body: Buffer | string, headers: Record<string, string> = png, query = ''): Promise<string> => {
    const answer = await world.call('POST', upload + query, { token: alice, body, headers });
    assert.equal(answer.status, 200, answer.text);
    return idOf(answer.json.content_uri as string);
  };
  const get = (path: string, headers: Record<string, string> = {}): Promise<Injected> =>
    world.call('GET', path, { token: bob, headers });
  const assertRefused = (answer: Injected, status: number, errcode: string): void =>
    assert.deepEqual([answer.status, answer.json.errcode], [status, errcode], answer.text);

  describe('the paths of before version 1.11', () => {
    it('have no file for anybody: all are younger than the freeze', async () => {
      const id = await put('hello', { 'content-type': 'text/plain' });
      for (const path of [`download/${id}`, `download/${id}/a.txt`, `thumbnail/${id}?width=1&height=1`]) {
        for (const version of ['v3', 'r0', 'v1']) {
          assertRefused(await get(`/_matrix/media/${version}/${path}`), 404, 'M_NOT_FOUND');
          assertRefused(await world.call('GET', `/_matrix/media/${version}/${path}`), 404, 'M_NOT_FOUND');
        }
      }
    });
  });

  describe('POST /upload and GET /download', () => {
    it('gives every user what was uploaded, with its type and name', async () => {
      const picture = picturePng(40, 30);
      const id = await put(picture, png, '?filename=k%C3%BCche.png');
      const answer = await get(`${download}/${id}`);
      assert.equal(answer.status, 200);
      assert.ok(answer.bytes.equals(picture));
      assert.equal(answer.headers['content-type'], 'image/png');
      assert.equal(answer.headers['content-length'], String(picture.length));
      assert.equal(answer.headers['content-disposition'], "inline; filename*=utf-8''k%C3%BCche.png");
      assert.equal(answer.headers['x-content-type-options'], 'nosniff');
      assert.match(answer.headers['content-security-policy'] ?? '', /^sandbox; default-src 'none'/);
      assert.equal(answer.headers['cross-origin-resource-policy'], 'cross-origin');
    });

    it('gives it under another name when asked', async () => {
      const id = await put('hello', { 'content-type': 'text/plain' });
      const answer = await get(`${download}/${id}/note.txt`);
      assert.equal(answer.headers['content-disposition'], 'inline; filename=note.txt');
      assert.equal(answer.text, 'hello');
    });

    it('never lets a page be shown in place', async () => {
      const id = await put('<script>', { 'content-type': 'text/html' });
      assert.equal((await get(`${download}/${id}`)).headers['content-disposition'], 'attachment');
    });

    it('gives a part of a file', async () => {
      const id = await put('0123456789', { 'content-type': 'text/plain' });
      const part = await get(`${download}/${id}`, { range: 'bytes=2-4' });
      assert.deepEqual([part.status, part.text, part.headers['content-range']], [206, '234', 'bytes 2-4/10']);
      const beyond = await get(`${download}/${id}`, { range: 'bytes=10-' });
      assert.deepEqual([beyond.status, beyond.headers['content-range']], [416, 'bytes */10']);
    });

    it('sends nothing that the client has already', async () => {
      const id = await put('once', { 'content-type': 'text/plain' });
      const etag = (await get(`${download}/${id}`)).headers['etag'] as string;
      const again = await get(`${download}/${id}`, { 'if-none-match': etag });
      assert.deepEqual([again.status, again.bytes.length], [304, 0]);
    });

    it('refuses what is over the limit, announced or not, with 413 M_TOO_LARGE', async () => {
      const body = Buffer.alloc(1_000_001);
      assertRefused(await world.call('POST', upload, { token: alice, body, headers: png }), 413, 'M_TOO_LARGE');
      const headers = { ...png, 'content-length': '10' };
      assertRefused(await world.call('POST', upload, { token: alice, body, headers }), 413, 'M_TOO_LARGE');
    });

    const missing: [string, number, string][] = [
      [`${download}/localhost/nothing`, 404, 'M_NOT_FOUND'],
      [`${download}/elsewhere.example/abc`, 502, 'M_UNKNOWN'],
      [`${download}/elsewhere.example/abc?allow_remote=false`, 404, 'M_NOT_FOUND'],
      [`${download}/not%20a%20server/abc`, 400, 'M_INVALID_PARAM'],
      [`${download}/localhost/a%2Fb`, 400, 'M_INVALID_PARAM'],
      [`${thumbnail}/localhost/nothing?width=1&height=1`, 404, 'M_NOT_FOUND'],
      [`${thumbnail}/localhost/nothing?height=1`, 400, 'M_MISSING_PARAM'],
      [`${thumbnail}/localhost/nothing?width=1`, 400, 'M_MISSING_PARAM'],
      [`${thumbnail}/localhost/nothing?width=0&height=1`, 400, 'M_INVALID_PARAM'],
      [`${thumbnail}/localhost/nothing?width=1.5&height=1`, 400, 'M_INVALID_PARAM'],
      [`${thumbnail}/localhost/nothing?width=1&height=1&method=squash`, 400, 'M_INVALID_PARAM'],
      [`${thumbnail}/localhost/nothing?width=1&height=1&animated=maybe`, 400, 'M_INVALID_PARAM'],
      [`${download}/localhost/nothing?timeout_ms=soon`, 400, 'M_INVALID_PARAM'],
    ];
    for (const [path, status, errcode] of missing) {
      it(`answers ${status} ${errcode} to ${path}`, async () => assertRefused(await get(path), status, errcode));
    }
  });

  describe('POST /create and PUT /upload', () => {
    it('lets a reserved URI be filled later, by who reserved it, once', async () => {
      const { content_uri, unused_expires_at } = await world.ok('POST', '/_matrix/media/v1/create', alice);
      assert.ok(unused_expires_at > world.clock.now());
      const id = idOf(content_uri as string);
      assertRefused(await get(`${download}/${id}?timeout_ms=0`), 504, 'M_NOT_YET_UPLOADED');
      assertRefused(await get(`${download}/${id}/late.txt?timeout_ms=0`), 504, 'M_NOT_YET_UPLOADED');
      const small = `${thumbnail}/${id}?timeout_ms=0&width=32&height=32`;
      assertRefused(await get(small), 504, 'M_NOT_YET_UPLOADED');
      const over = Buffer.alloc(1_000_001);
      const large = await world.call('PUT', `${upload}/${id}`, { token: alice, body: over, headers: png });
      assertRefused(large, 413, 'M_TOO_LARGE');
      const fill = (token: string) => world.call('PUT', `${upload}/${id}`, { token, body: 'late', headers: png });
      assertRefused(await fill(bob), 403, 'M_FORBIDDEN');
      assert.equal((await fill(alice)).status, 200);
      assert.equal((await get(`${download}/${id}`)).text, 'late');
      assertRefused(await fill(alice), 409, 'M_CANNOT_OVERWRITE_MEDIA');
    });

    it('does not fill what nobody reserved', async () => {
      const answer = await world.call('PUT', `${upload}/localhost/nothing`, { token: alice, body: 'x', headers: png });
      assertRefused(answer, 404, 'M_NOT_FOUND');
    });

    it('lets nobody reserve without end: 429 M_LIMIT_EXCEEDED', async () => {
      const create = () => world.call('POST', '/_matrix/media/v1/create', { token: bob });
      for (let i = 0; i < 10; i++) assert.equal((await create()).status, 200);
      const refused = await create();
      assertRefused(refused, 429, 'M_LIMIT_EXCEEDED');
      assert.ok(refused.headers['retry-after']);
    });
  });

  describe('GET /config', () => {
    for (const path of ['/_matrix/client/v1/media/config', '/_matrix/media/v3/config', '/_matrix/media/r0/config']) {
      it(`${path} tells the limit in bytes`, async () =>
        assert.deepEqual(await world.ok('GET', path, alice), { 'm.upload.size': 1_000_000 }));
    }
  });

  describe('GET /thumbnail', () => {
    it('makes a smaller picture, kept for the next time', async () => {
      const id = await put(picturePng(400, 300));
      const sizes: [string, number, number][] = [
        ['width=32&height=32&method=crop', 32, 32],
        ['width=300&height=200&method=scale', 320, 240],
        ['width=300&height=200', 320, 240],
      ];
      for (const [query, width, height] of sizes) {
        for (let i = 0; i < 2; i++) {
          const answer = await get(`${thumbnail}/${id}?${query}`);
          assert.equal(answer.status, 200, answer.text);
          assert.equal(answer.headers['content-type'], 'image/jpeg');
          const made = await sharp(answer.bytes).metadata();
          assert.deepEqual([made.width, made.height], [width, height], query);
        }
      }
    });

    it('keeps what is transparent', async () => {
      const clear = await sharp({ create: { width: 200, height: 200, channels: 4, background: '#ff000080' } })
        .png()
        .toBuffer();
      const answer = await get(`${thumbnail}/${await put(clear)}?width=32&height=32&method=crop`);
      assert.equal(answer.headers['content-type'], 'image/png');
    });

    it('gives a small picture as it is, and one asked for larger than any thumbnail', async () => {
      const picture = picturePng(20, 20);
      const id = await put(picture);
      assert.ok((await get(`${thumbnail}/${id}?width=32&height=32&method=crop`)).bytes.equals(picture));
      const large = picturePng(900, 700);
      assert.ok((await get(`${thumbnail}/${await put(large)}?width=850&height=650`)).bytes.equals(large));
    });

    it('answers 400 M_UNKNOWN where there is no picture', async () => {
      const id = await put('no picture at all', { 'content-type': 'image/png' });
      assertRefused(await get(`${thumbnail}/${id}?width=32&height=32`), 400, 'M_UNKNOWN');
      const svg = await put('<svg xmlns="http://www.w3.org/2000/svg" width="900" height="900"/>', {
        'content-type': 'image/svg+xml',
      });
      assertRefused(await get(`${thumbnail}/${svg}?width=32&height=32`), 400, 'M_UNKNOWN');
    });

    it('answers 413 M_TOO_LARGE where the picture has too many pixels', async () => {
      const id = await put(picturePng(1100, 1000));
      assertRefused(await get(`${thumbnail}/${id}?width=32&height=32`), 413, 'M_TOO_LARGE');
    });
  });
});
