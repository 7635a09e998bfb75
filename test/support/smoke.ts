import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { finished } from 'node:stream/promises';
import { thumbnailRole } from '../../build/executable/roles.ts';
import { type Frame, readFrames, writeFrame } from '../../src/media/frames.ts';
import { Person } from './person.ts';
import { picturePng } from './pictures.ts';
import { ServerProcess } from './server-process.ts';

export interface SmokeOptions {
  readonly executable: string;
  /** Words before the command: an emulator, or what makes a root of its own. */
  readonly prefix?: readonly string[];
  /** An empty folder, made if not given; it must have the same name for the executable. */
  readonly dir?: string;
  /** False where the executable cannot start itself, as under an emulator that the kernel does not know of. */
  readonly startsItself?: boolean;
}

/** Uses a built executable the way an admin and two users would; throws where it does not do as it should. */
export async function smoke({ executable, prefix = [], dir, startsItself = true }: SmokeOptions): Promise<void> {
  const folder = dir ?? mkdtempSync(join(tmpdir(), 'hearth-smoke-'));
  const env = { PATH: '/usr/bin:/bin:/usr/sbin:/sbin' };
  const run = (args: readonly string[], input: string | Buffer = ''): Promise<Buffer> =>
    runProgram([...prefix, executable, ...args], input, env);
  const command = async (...args: string[]): Promise<string> =>
    (await run([...args, '--config', join(folder, 'hearth.toml')], 'a good password\n')).toString();

  let server = await ServerProcess.start({ executable, prefix, dir: folder, env });
  try {
    assert.match(await command('user', 'add', 'admin', '--admin', '--password-stdin'), /^Made @admin:hearth.test/);
    const room = await talk(server.port);
    await checkMedia(server, startsItself);
    assert.equal(await server.stop(), 0);
    // What was unpacked is there once, and nothing half done lies beside it.
    const unpacked = readdirSync(join(server.dataDir, 'tmp')).filter((name) => name !== 'lock');
    const sets = unpacked.map((name) => name.replace(/[0-9a-f]{16}$/, ''));
    assert.deepEqual(sets.toSorted(), startsItself ? ['native-sharp-', 'native-sqlite-'] : ['native-sqlite-']);

    assert.match(await command('user', 'list'), /^@admin:hearth\.test +admin /m);
    server = await server.restart();
    await assert.rejects(Person.register(server.port, 'alice'), /M_USER_IN_USE/);
    const carol = await Person.register(server.port, 'carol');
    await assert.rejects(carol.join(room), /M_FORBIDDEN/);
    carol.close();
    assert.equal(await server.stop(), 0);
    await checkHelper(run, join(server.dataDir, 'tmp'));
  } finally {
    await server.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function talk(port: number): Promise<string> {
  const alice = await Person.register(port, 'alice');
  const bob = await Person.register(port, 'bob');
  const room = await alice.createRoom({ preset: 'private_chat', invite: [bob.userId] });
  await bob.join(room);
  const said = await alice.say(room, 'Is it warm?');
  const seen = await bob.sync('timeout=0');
  assert.ok(seen.body.includes(said));
  await bob.say(room, 'It is.');
  assert.ok((await alice.sync('timeout=0')).body.includes('It is.'));
  alice.close();
  bob.close();
  return room;
}

async function checkMedia({ url, port }: ServerProcess, thumbnails: boolean): Promise<void> {
  const dora = await Person.register(port, 'dora');
  dora.close();
  const headers = { Authorization: `Bearer ${dora.token}` };
  const picture = new Uint8Array(picturePng(400, 300));
  const sent = await fetch(`${url}/_matrix/media/v3/upload`, {
    method: 'POST',
    headers: { ...headers, 'Content-Type': 'image/png' },
    body: picture,
  });
  const { content_uri } = (await sent.json()) as { content_uri: string };
  const get = async (kind: string, query: string): Promise<Uint8Array> => {
    const path = `/_matrix/client/v1/media/${kind}/${content_uri.slice('mxc://'.length)}`;
    const answer = await fetch(`${url}${path}${query}`, { headers });
    const body = new Uint8Array(await answer.arrayBuffer());
    assert.equal(answer.status, 200, Buffer.from(body).toString());
    return body;
  };
  assert.deepEqual(await get('download', ''), picture);
  if (!thumbnails) return;
  const thumbnail = await get('thumbnail', '?width=32&height=32&method=crop');
  assert.ok(thumbnail.length > 0 && thumbnail.length < picture.length);
}

/** The picture helper on its own, as the server would start it. */
async function checkHelper(run: (args: string[], input: Buffer) => Promise<Buffer>, folder: string): Promise<void> {
  const request = new PassThrough();
  const head = { width: 32, height: 32, method: 'crop', animated: false, maxPixels: 1_000_000 };
  writeFrame(request, head, picturePng(400, 300));
  const answer = new PassThrough();
  const frames: Frame[] = [];
  readFrames(answer, (frame) => frames.push(frame));
  answer.end(await run([thumbnailRole, folder], request.end().read() as Buffer));
  await finished(answer);
  assert.deepEqual(frames[0]?.head, { kind: 'made', contentType: 'image/jpeg' });
}

function runProgram(words: readonly string[], input: string | Buffer, env: NodeJS.ProcessEnv): Promise<Buffer> {
  const [program = '', ...args] = words;
  const child = spawn(program, args, { env });
  const out: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  child.stdin.on('error', () => {}); // it may end without reading
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(Buffer.concat(out));
      else reject(new Error(`${args.join(' ')} ended with ${code}: ${Buffer.concat(errors).toString()}`));
    });
  });
}
