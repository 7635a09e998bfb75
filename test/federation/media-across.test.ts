import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Reply } from '../../src/api/http/types.ts';
import { MatrixError } from '../../src/protocol/errors.ts';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import { signRequest } from '../../src/protocol/signing/request.ts';
import { millis } from '../../src/util/brand.ts';
import type { Injected } from '../support/clients/inject.ts';
import type { ScriptedServer } from '../support/federation/scripted-server.ts';
import { picturePng } from '../support/pictures.ts';
import { Universe } from '../support/servers/universe.ts';

const download = '/_matrix/client/v1/media/download';
const file = Buffer.from(Array.from({ length: 200_000 }, (_, n) => (n * 7) & 255));

const part = (body: string | Buffer | AsyncIterable<Buffer>, type = 'multipart/mixed; boundary=b'): Reply => ({
  status: 200,
  headers: { 'Content-Type': type },
  body,
});
const inParts = (content: string | Buffer, headers = 'Content-Type: text/plain') =>
  part(
    Buffer.concat([
      Buffer.from(`--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b\r\n${headers}\r\n\r\n`),
      Buffer.from(content as string),
      Buffer.from('\r\n--b--\r\n'),
    ]),
  );

describe('files across servers', () => {
  let universe: Universe;
  let evil: ScriptedServer;
  let alice: string;
  let bob: string;
  let next = 0;
  const asBob = (path: string, headers: Record<string, string> = {}): Promise<Injected> =>
    universe.world('b.test').call('GET', path, { token: bob, headers });
  const said = ({ status, json }: { status: number; json: Record<string, unknown> }) => [status, json['errcode']];
  const upload = async (content: Buffer, type = 'image/png', name = 'Kätzchen.png') => {
    const path = `/_matrix/media/v3/upload?filename=${encodeURIComponent(name)}`;
    const headers = { 'content-type': type };
    const answer = await universe.world('a.test').call('POST', path, { token: alice, headers, body: content });
    assert.equal(answer.status, 200, answer.text);
    return (answer.json.content_uri as string).slice('mxc://'.length);
  };
  /** A signed request of the scripted server, and its answer byte by byte. */
  const asServer = async (uri: string) => {
    const server = asServerName('a.test');
    const request = { method: 'GET', uri, origin: evil.name, destination: server } as const;
    const headers = { Authorization: signRequest(request, evil.key) };
    const transport = universe.network.transportOf(evil.name);
    const answer = await transport.send({ server, method: 'GET', uri, headers, timeout: millis(10_000) });
    assert.ok(answer.ok);
    const pieces: Buffer[] = [];
    for await (const piece of answer.body) pieces.push(piece);
    const type = answer.headers['content-type'] ?? '';
    return {
      text: Buffer.concat(pieces).toString('latin1'),
      boundary: type.slice('multipart/mixed; boundary='.length),
      length: Number(answer.headers['content-length']),
    };
  };
  /** A download of a file that the scripted server answers so. */
  const from = (answer: () => Reply | Promise<Reply>) => {
    const id = `m${next++}`;
    evil.on('GET', `/_matrix/federation/v1/media/download/${id}`, answer);
    return asBob(`${download}/evil.test/${id}`);
  };

  before(async () => {
    universe = await Universe.open(['a.test', 'b.test'], {
      media: { max_upload_mb: 1, remote_max_age: '2d', max_image_megapixels: 1 },
    });
    evil = universe.script('evil.test');
    alice = await universe.world('a.test').register('alice');
    bob = await universe.world('b.test').register('bob');
  });
  after(() => universe[Symbol.asyncDispose]());

  it('are fetched from their server with type and name, and kept', async () => {
    const uri = await upload(file);
    const before = universe.calls.length;
    for (let time = 0; time < 2; time++) {
      const answer = await asBob(`${download}/${uri}`);
      assert.equal(answer.status, 200, answer.text);
      assert.ok(answer.bytes.equals(file));
      assert.equal(answer.headers['content-type'], 'image/png');
      assert.match(answer.headers['content-disposition'] ?? '', /^inline; filename\*=utf-8''K%C3%A4tzchen.png$/);
    }
    const calls = universe.calls.slice(before).filter(({ uri }) => uri.includes('/media/'));
    assert.equal(calls.length, 1);
    assert.match(calls[0]?.uri ?? '', /\?timeout_ms=20000$/);
  });

  it('are fetched once for all who ask at the same time', async () => {
    const uri = await upload(Buffer.from('shared'), 'text/plain');
    const before = universe.calls.length;
    const answers = await Promise.all(Array.from({ length: 10 }, () => asBob(`${download}/${uri}`)));
    for (const answer of answers) assert.equal(answer.text, 'shared');
    assert.equal(universe.calls.slice(before).filter(({ uri }) => uri.includes('/media/')).length, 1);
  });

  it('may be asked for in parts', async () => {
    const uri = await upload(Buffer.from('0123456789'), 'text/plain');
    const answer = await asBob(`${download}/${uri}`, { range: 'bytes=2-4' });
    assert.deepEqual([answer.status, answer.text], [206, '234']);
  });

  it('are not fetched with allow_remote=false', async () => {
    const uri = await upload(Buffer.from('far away'), 'text/plain');
    assert.deepEqual(said(await asBob(`${download}/${uri}?allow_remote=false`)), [404, 'M_NOT_FOUND']);
    await asBob(`${download}/${uri}`);
    assert.equal((await asBob(`${download}/${uri}?allow_remote=false`)).status, 200);
  });

  it('are told to other servers only in their own form, and only our own', async () => {
    const uri = await upload(Buffer.from('hello'), 'text/plain', 'a.txt');
    const id = uri.split('/')[1] ?? '';
    const ask = (path: string) => universe.world('a.test').call('GET', `/_matrix/federation/v1/media/${path}`);
    assert.deepEqual(said(await ask(`download/${id}`)), [401, 'M_UNAUTHORIZED']);
    const missing = await evil.request('a.test', 'GET', '/_matrix/federation/v1/media/download/nothing');
    assert.deepEqual(said(missing), [404, 'M_NOT_FOUND']);
    const bad = await evil.request('a.test', 'GET', '/_matrix/federation/v1/media/thumbnail/nothing?width=3');
    assert.deepEqual(said(bad), [400, 'M_MISSING_PARAM']);
  });

  it('have thumbnails, made here for clients and there for servers', async () => {
    const uri = await upload(picturePng(400, 300));
    const query = 'width=96&height=96&method=crop';
    const here = await asBob(`/_matrix/client/v1/media/thumbnail/${uri}?${query}`);
    assert.equal(here.status, 200, here.text);
    assert.match(here.headers['content-type'] ?? '', /^image\//);
    assert.ok(here.bytes.length > 0);
    const there = await asServer(`/_matrix/federation/v1/media/thumbnail/${uri.split('/')[1]}?${query}`);
    const [, metadata, picture] = there.text.split(`--${there.boundary}`);
    assert.match(metadata ?? '', /^\r\nContent-Type: application\/json\r\n\r\n\{\}\r\n$/);
    assert.match(picture ?? '', /^\r\nContent-Type: image\/\w+\r\nContent-Disposition: inline\r\n\r\n/);
    assert.ok(there.text.endsWith(`\r\n--${there.boundary}--\r\n`));
    assert.equal(there.length, there.text.length);
    const text = await upload(Buffer.from('no picture'), 'text/plain');
    assert.deepEqual(said(await asBob(`/_matrix/client/v1/media/thumbnail/${text}?${query}`)), [400, 'M_UNKNOWN']);
  });

  it('that were only announced are waited for no longer than was asked', async () => {
    const { json } = await universe.world('a.test').call('POST', '/_matrix/media/v1/create', { token: alice });
    const uri = (json.content_uri as string).slice('mxc://'.length);
    assert.deepEqual(said(await asBob(`${download}/${uri}?timeout_ms=0`)), [504, 'M_NOT_YET_UPLOADED']);
  });

  it('that are not there are 404, and not asked for again at once', async () => {
    const before = universe.calls.length;
    for (let time = 0; time < 3; time++) {
      assert.deepEqual(said(await asBob(`${download}/a.test/nothing`)), [404, 'M_NOT_FOUND']);
    }
    assert.equal(universe.calls.length - before, 1);
  });

  it('of servers of before version 1.11 are fetched the old way, and not from third parties', async () => {
    evil.on('GET', '/_matrix/media/v3/download/evil.test/old', ({ query }) => {
      assert.equal(query.get('allow_remote'), 'false');
      return { status: 200, headers: { 'Content-Type': 'text/plain' }, body: 'of old' };
    });
    assert.equal((await asBob(`${download}/evil.test/old`)).text, 'of old');
    const found = universe.calls.filter(({ uri }) => uri.includes('/old'));
    assert.equal(found.length, 2);
  });

  for (const [what, answer, status, errcode] of [
    ['no multipart', () => part('hello', 'text/plain'), 502, 'M_UNKNOWN'],
    ['no boundary', () => part('hello', 'multipart/mixed'), 502, 'M_UNKNOWN'],
    ['another boundary', () => part('--c\r\n\r\n{}\r\n--c\r\n\r\nhello\r\n--c--'), 502, 'M_UNKNOWN'],
    ['one part', () => part('--b\r\n\r\n{}\r\n--b--\r\n'), 502, 'M_UNKNOWN'],
    ['the half of it', () => part('--b\r\n\r\n{}\r\n--b\r\n\r\nhel'), 502, 'M_UNKNOWN'],
    ['endless metadata', () => part(endless('--b\r\n\r\n{')), 502, 'M_UNKNOWN'],
    ['endless headers', () => part(endless('--b\r\n\r\n{}\r\n--b\r\nA: ')), 502, 'M_UNKNOWN'],
    ['an endless preamble', () => part(endless('')), 502, 'M_UNKNOWN'],
    ['an endless file', () => part(endless('--b\r\n\r\n{}\r\n--b\r\n\r\n')), 502, 'M_TOO_LARGE'],
    ['a private address', () => inParts('', 'Location: https://10.0.0.1/file'), 502, 'M_UNKNOWN'],
    ['a place without TLS', () => inParts('', 'Location: http://192.0.2.7/file'), 502, 'M_UNKNOWN'],
    ['its own machine', () => inParts('', 'Location: https://localhost:8448/file'), 502, 'M_UNKNOWN'],
    ['a local file', () => inParts('', 'Location: file:///etc/passwd'), 502, 'M_UNKNOWN'],
    ['a path only', () => inParts('', 'Location: /elsewhere'), 502, 'M_UNKNOWN'],
  ] as const) {
    it(`are not had from a server that gives ${what}`, async () => {
      assert.deepEqual(said(await from(answer)), [status, errcode]);
    });
  }

  for (const [theirs, status, errcode] of [
    [new MatrixError(404, 'M_NOT_FOUND', ''), 404, 'M_NOT_FOUND'],
    [new MatrixError(504, 'M_NOT_YET_UPLOADED', ''), 504, 'M_NOT_YET_UPLOADED'],
    [new MatrixError(502, 'M_TOO_LARGE', ''), 502, 'M_TOO_LARGE'],
    [new MatrixError(429, 'M_LIMIT_EXCEEDED', ''), 429, 'M_LIMIT_EXCEEDED'],
    [new MatrixError(500, 'M_UNKNOWN', ''), 502, 'M_UNKNOWN'],
    [new MatrixError(401, 'M_UNKNOWN_TOKEN', ''), 502, 'M_UNKNOWN'],
  ] as const) {
    it(`are ${status} ${errcode} where their server says ${theirs.status} ${theirs.errcode}`, async () => {
      const answer = await from(() => {
        throw theirs;
      });
      assert.deepEqual(said(answer), [status, errcode]);
    });
  }

  it('of too many pixels have no thumbnail: 502 M_TOO_LARGE', async () => {
    const uri = await upload(picturePng(1100, 1000));
    const path = `/_matrix/client/v1/media/thumbnail/${uri}?width=32&height=32`;
    assert.deepEqual(said(await asBob(path)), [502, 'M_TOO_LARGE']);
  });

  it('get a type and a name that are safe to pass on', async () => {
    const odd = inParts(
      'x',
      'Content-Type: text/html\nX: y\r\nContent-Disposition: inline; filename="../../etc/passwd"',
    );
    const answer = await from(() => odd);
    assert.equal(answer.headers['content-type'], 'application/octet-stream');
    assert.equal(answer.headers['content-disposition'], 'attachment; filename=passwd');
  });

  it('go when nobody has asked for them for long, with their bytes', async () => {
    const { hs } = universe.world('b.test');
    const row = hs.db.prepare<[], number>('SELECT count(*) FROM media WHERE last_access IS NOT NULL').pluck();
    assert.ok((row.get() ?? 0) > 0);
    const uri = await upload(Buffer.from('looked at'), 'text/plain');
    await asBob(`${download}/${uri}`);
    universe.clock.advance(30 * 3_600_000);
    await asBob(`${download}/${uri}`);
    universe.clock.advance(30 * 3_600_000);
    await universe.until(() => row.get() === 1, 'all but one go');
  });
});

async function* endless(beginning: string): AsyncGenerator<Buffer> {
  yield Buffer.from(beginning);
  for (let n = 0; n < 1_000_000; n++) yield Buffer.alloc(10_000, 'x');
}
