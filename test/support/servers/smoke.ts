import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { finished } from 'node:stream/promises';
import { thumbnailRole } from '../../../build/executable/roles.ts';
import { type Frame, readFrames, writeFrame } from '../../../src/media/frames.ts';
import { Person } from '../clients/person.ts';
import { picturePng } from '../pictures.ts';
import type { Machine } from './machine.ts';
import { ServerProcess } from './server-process.ts';

/** What is known of a server from outside, and must be found again after a restore. */
interface Life {
  readonly alice: Person;
  readonly room: string;
  /** A picture that somebody has sent. */
  readonly media: string;
}

/** Enough for a system to find its programs. */
const env = { PATH: '/usr/bin:/bin:/usr/sbin:/sbin' };

/**
 * Uses a built executable the way an admin and two users would, and has its backup restored by the executable of another
 * machine; throws where they do not do as they should.
 */
export async function smoke(machine: Machine, other: Machine): Promise<void> {
  const dir = join(machine.dir, 'lived');
  mkdirSync(dir);
  const command = async (...args: string[]): Promise<string> =>
    (await run(machine, [...args, '--config', join(dir, 'hearth.toml')], 'a good password\n')).toString();

  let server = await start(machine, dir);
  try {
    assert.match(await command('user', 'add', 'admin', '--admin', '--password-stdin'), /^Made @admin:hearth.test/);
    const { alice, room } = await talk(server.port);
    const media = await sendPicture(server.port, alice);
    await checkPicture(server.port, { alice, media }, machine.startsItself);
    const made = JSON.parse(await command('backup', join(dir, 'backups'), '--json')) as { folder: string };
    assert.equal(await server.stop(), 0);
    checkUnpacked(server.dataDir, machine.startsItself);

    assert.match(await command('user', 'list'), /^@admin:hearth\.test +admin /m);
    server = await server.restart();
    await assert.rejects(Person.register(server.port, 'alice'), /M_USER_IN_USE/);
    const carol = await Person.register(server.port, 'carol');
    await assert.rejects(carol.join(room), /M_FORBIDDEN/);
    carol.close();
    assert.equal(await server.stop(), 0);
    if (!machine.startsItself) await checkHelper(machine, join(server.dataDir, 'tmp')); // else the server did that
    await checkRestore(other, made.folder, { alice, room, media });
  } finally {
    await server.remove();
  }
}

const start = ({ executable, prefix }: Machine, dir: string) => ServerProcess.start({ executable, prefix, dir, env });

/** What was unpacked is there once, and nothing half done lies beside it. */
function checkUnpacked(dataDir: string, thumbnails: boolean): void {
  const unpacked = readdirSync(join(dataDir, 'tmp')).filter((name) => name !== 'lock');
  const sets = unpacked.map((name) => name.replace(/[0-9a-f]{16}$/, ''));
  assert.deepEqual(sets.toSorted(), thumbnails ? ['native-sharp-', 'native-sqlite-'] : ['native-sqlite-']);
}

async function checkRestore(machine: Machine, backup: string, life: Life): Promise<void> {
  const dir = join(machine.dir, 'restored');
  const copy = join(dir, basename(backup));
  cpSync(backup, copy, { recursive: true });
  const restore = ['restore', copy, '--data-dir', join(dir, 'data')];
  assert.match((await run(machine, restore)).toString(), /^hearth\.test is restored/);
  await assert.rejects(run(machine, restore), /holds a server already/);
  const server = await start(machine, dir);
  try {
    const alice = life.alice.at(server.port);
    assert.ok((await alice.sync('timeout=0')).body.includes('It is.'));
    await alice.say(life.room, 'It still is.');
    await checkPicture(server.port, { alice, media: life.media }, machine.startsItself);
    alice.close();
    assert.equal(await server.stop(), 0);
  } finally {
    await server.remove();
  }
}

async function talk(port: number): Promise<{ alice: Person; room: string }> {
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
  return { alice, room };
}

const picture = new Uint8Array(picturePng(400, 300));

async function sendPicture(port: number, { token }: Person): Promise<string> {
  const sent = await fetch(`http://127.0.0.1:${port}/_matrix/media/v3/upload`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'image/png' },
    body: picture,
  });
  const { content_uri } = (await sent.json()) as { content_uri: string };
  return content_uri.slice('mxc://'.length);
}

async function checkPicture(
  port: number,
  { alice, media }: Pick<Life, 'alice' | 'media'>,
  thumbnails: boolean,
): Promise<void> {
  const get = async (kind: string, query: string): Promise<Uint8Array> => {
    const url = `http://127.0.0.1:${port}/_matrix/client/v1/media/${kind}/${media}${query}`;
    const answer = await fetch(url, { headers: { Authorization: `Bearer ${alice.token}` } });
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
async function checkHelper(machine: Machine, folder: string): Promise<void> {
  const request = new PassThrough();
  const head = { width: 32, height: 32, method: 'crop', animated: false, maxPixels: 1_000_000 };
  writeFrame(request, head, picturePng(400, 300));
  const answer = new PassThrough();
  const frames: Frame[] = [];
  readFrames(answer, (frame) => frames.push(frame));
  answer.end(await run(machine, [thumbnailRole, folder], request.end().read() as Buffer));
  await finished(answer);
  assert.deepEqual(frames[0]?.head, { kind: 'made', contentType: 'image/jpeg' });
}

function run(machine: Machine, more: readonly string[], input: string | Buffer = ''): Promise<Buffer> {
  const [program = '', ...args] = [...machine.prefix, machine.executable, ...more];
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
      else reject(new Error(`${more.join(' ')} ended with ${code}: ${Buffer.concat(errors).toString()}`));
    });
  });
}
