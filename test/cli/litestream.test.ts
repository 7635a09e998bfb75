import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import Sqlite from 'better-sqlite3';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import { checkConsistency } from '../../src/store/check.ts';
import { Person } from '../support/clients/person.ts';
import { ServerProcess } from '../support/servers/server-process.ts';
import { openTestStore, tempFolder } from '../support/store.ts';
import { hearth } from './command.ts';

/** The environment names the program: `LITESTREAM=/usr/bin/litestream npm test -- test/cli/litestream.test.ts`. */
const program = process.env['LITESTREAM'] ?? '';

const databases = ['hearth.db', 'media.db'] as const;

/** Several times what makes Hearth fold its write-ahead log into the database. */
const messages = 1500;

describe('Litestream', { skip: program === '' && 'no program is named by LITESTREAM' }, () => {
  it('follows a server at work, which is killed, restored from the replica, and goes on', async () => {
    using folder = tempFolder();
    const replica = (name: string) => join(folder.path, 'replica', name);
    let server = await ServerProcess.start();
    const litestream = replicate(server.dataDir, folder.path, replica);
    let alice = await Person.register(server.port, 'alice');
    const room = await alice.createRoom();
    const media = await upload(server.port, alice);
    const said: string[] = [];
    for (let n = 0; n < messages; n++) said.push(await alice.say(room, `${n} ${'and so on '.repeat(800)}`));
    // What has been said so far arrives sooner or later; what is said from now on may be lost.
    const copy = join(folder.path, 'hearth.db');
    while (eventsIn(copy) < said.length) restore(replica('hearth.db'), copy);
    for (let n = 0; n < 200; n++) said.push(await alice.say(room, `${n} at the end`));
    await Promise.all([server.stop('SIGKILL'), ended(litestream)]);
    alice.close();

    copyFileSync(join(server.dataDir, 'signing.key'), join(folder.path, 'signing.key'));
    rmSync(server.dataDir, { recursive: true });
    mkdirSync(server.dataDir);
    copyFileSync(join(folder.path, 'signing.key'), join(server.dataDir, 'signing.key'));
    for (const name of databases) restore(replica(name), join(server.dataDir, name));
    await checkCopy(join(server.dataDir, 'hearth.db'));
    const marked = await hearth('db mark-restored', { folder: server.dir });
    assert.equal(marked.code, 0, marked.stderr);

    server = await server.restart();
    try {
      assert.match(server.log, /"event":"server\.restored"/);
      alice = alice.at(server.port);
      const known = await idsIn(alice, room);
      assert.ok(known.length >= messages, `${known.length} of ${said.length}`);
      assert.deepEqual(known, said.slice(0, known.length));
      const download = `/_matrix/client/v1/media/download/${media}`;
      const answer = await fetch(server.url + download, { headers: { authorization: `Bearer ${alice.token}` } });
      assert.equal(await answer.text(), 'a file');
      await alice.say(room, 'after the restore');
      alice.close();
      assert.equal(await server.stop(), 0);
    } finally {
      await server.remove();
    }
  });
});

function replicate(dataDir: string, folder: string, replica: (name: string) => string): ChildProcess {
  const config = join(folder, 'litestream.yml');
  const dbs = databases.map((name) => ({ path: join(dataDir, name), replica: { type: 'file', path: replica(name) } }));
  // JSON is YAML.
  writeFileSync(config, JSON.stringify({ dbs }));
  return spawn(program, ['replicate', '-config', config], { stdio: 'ignore' });
}

function ended(child: ChildProcess): Promise<unknown> {
  const over = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  return over;
}

function restore(from: string, to: string): void {
  rmSync(to, { force: true });
  const { status, stderr } = spawnSync(program, ['restore', '-o', to, `file://${from}`], { encoding: 'utf8' });
  if (status !== 0 && !/no matching backup|cannot calc restore plan|no snapshot/.test(stderr)) assert.fail(stderr);
}

/** How many events a restored database holds; none if it is not there. */
function eventsIn(file: string): number {
  if (!existsSync(file)) return 0;
  const db = new Sqlite(file, { readonly: true });
  try {
    return db.prepare('SELECT count(*) FROM event').pluck().get() as number;
  } finally {
    db.close();
  }
}

async function checkCopy(file: string): Promise<void> {
  await using store = openTestStore({ file });
  assert.deepEqual(checkConsistency(store.db, asServerName('hearth.test')), []);
}

async function upload(port: number, { token }: Person): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}/_matrix/media/v3/upload`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: 'a file',
  });
  return ((await answer.json()) as { content_uri: string }).content_uri.slice('mxc://'.length);
}

/** The IDs of all messages in a room, the oldest first. */
async function idsIn(person: Person, room: string): Promise<string[]> {
  const ids: string[] = [];
  let from = '';
  while (true) {
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/messages?dir=f&limit=500${from}`;
    const page = (await person.call('GET', path)) as { chunk: { type: string; event_id: string }[]; end?: string };
    ids.push(...page.chunk.filter(({ type }) => type === 'm.room.message').map(({ event_id }) => event_id));
    if (page.end === undefined || page.chunk.length === 0) return ids;
    from = `&from=${encodeURIComponent(page.end)}`;
  }
}
