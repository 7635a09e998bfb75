import assert from 'node:assert/strict';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Person } from '../support/clients/person.ts';
import { ServerProcess } from '../support/servers/server-process.ts';
import { hearth } from './command.ts';

const picture = Buffer.from('not really a picture '.repeat(5000));

describe('a backup of a running server', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-backup-'));
  let server: ServerProcess;
  let alice: Person;
  let room: string;
  let since: string;
  let mxc: string;
  let backup: string;

  before(async () => {
    server = await ServerProcess.start({});
    alice = await Person.register(server.port, 'alice');
    room = await alice.createRoom({ name: 'The hearth' });
    await alice.say(room, 'before the backup');
    const uploaded = await fetch(`${server.url}/_matrix/media/v3/upload?filename=a.bin`, {
      method: 'POST',
      headers: { authorization: `Bearer ${alice.token}` },
      body: picture,
    });
    mxc = ((await uploaded.json()) as { content_uri: string }).content_uri;
    await alice.call('POST', '/_matrix/client/v3/keys/upload', {
      one_time_keys: { 'signed_curve25519:AAAA': { key: 'x', signatures: {} } },
    });
    since = (JSON.parse((await alice.sync('timeout=0')).body) as { next_batch: string }).next_batch;
  });

  after(async () => {
    alice.close();
    await server.remove();
    rmSync(folder, { recursive: true });
  });

  it('is made while the server runs, readable by its owner only, with nothing half-done beside it', async () => {
    const made = await hearth(`backup ${folder} --json`, { folder: server.dir });
    assert.equal(made.code, 0, made.stderr);
    const answer = JSON.parse(made.stdout) as { folder: string; bytes: number; missing_media: number };
    backup = answer.folder;
    assert.equal(answer.missing_media, 0);
    assert.deepEqual(readdirSync(folder).length, 1);
    const files = ['hearth.db', 'hearth.toml', 'manifest.json', 'media.db', 'signing.key'];
    assert.deepEqual(readdirSync(backup).sort(), files);
    assert.equal(statSync(backup).mode & 0o077, 0);
    assert.equal(statSync(join(backup, 'signing.key')).mode & 0o077, 0);
    assert.match(readFileSync(join(backup, 'hearth.toml'), 'utf8'), /server_name = "hearth.test"/);
    await alice.say(room, 'after the backup');
  });

  it('has a configuration that can be read again', async () => {
    const checked = await hearth(`config check --config ${join(backup, 'hearth.toml')}`, { folder });
    assert.equal(checked.code, 0, checked.stderr);
  });

  it('is not restored over a server that is there, nor under another name', async () => {
    const over = await hearth(`restore ${backup}`, { folder: server.dir });
    assert.equal(over.code, 1);
    assert.match(over.stderr, /A process works on .*; stop it first/);
    await server.stop();
    const stopped = await hearth(`restore ${backup}`, { folder: server.dir });
    assert.equal(stopped.code, 1);
    assert.match(stopped.stderr, /holds a server already/);
    const named = await hearth(`restore ${backup} --data-dir ${join(folder, 'x')}`, {
      folder,
      env: { HEARTH_SERVER_NAME: 'other.test' },
    });
    assert.equal(named.code, 1);
    assert.match(named.stderr, /a backup of hearth.test, and the configuration says other.test/);
  });

  it('is refused when a bit of it has changed, and then leaves no server behind', async () => {
    const damaged = mkdtempSync(join(folder, 'damaged-'));
    for (const file of readdirSync(backup)) writeFileSync(join(damaged, file), readFileSync(join(backup, file)));
    appendFileSync(join(damaged, 'media.db'), 'x');
    const data = join(folder, 'data-of-damaged');
    const answer = await hearth(`restore ${damaged} --data-dir ${data}`, { folder });
    assert.equal(answer.code, 1);
    assert.match(answer.stderr, /media\.db is damaged/);
    assert.ok(!existsSync(join(data, 'hearth.db')));
    const none = await hearth(`restore ${data} --data-dir ${data}`, { folder });
    assert.match(none.stderr, /is no backup/);
  });

  it('brings everything back but what came after it; old sync tokens get everything, one-time keys are gone', async () => {
    rmSync(server.dataDir, { recursive: true });
    const restored = await hearth(`restore ${backup}`, { folder: server.dir });
    assert.equal(restored.code, 0, restored.stderr);
    assert.match(restored.stdout, /hearth\.test is restored/);
    server = await server.restart();
    alice.close();
    alice = alice.at(server.port);
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/messages?dir=b`;
    const { chunk } = (await alice.call('GET', path)) as { chunk: { content: { body?: string } }[] };
    assert.equal(chunk[0]?.content.body, 'before the backup');
    const download = `/_matrix/client/v1/media/download/${mxc.slice('mxc://'.length)}`;
    const bytes = await fetch(server.url + download, { headers: { authorization: `Bearer ${alice.token}` } });
    assert.deepEqual(Buffer.from(await bytes.arrayBuffer()), picture);
    const synced = JSON.parse((await alice.sync(`timeout=0&since=${since}`)).body) as {
      next_batch: string;
      device_one_time_keys_count: Record<string, number>;
      rooms: { join: Record<string, { timeline: { limited: boolean } }> };
    };
    assert.deepEqual(synced.device_one_time_keys_count, { signed_curve25519: 0 });
    assert.equal(synced.rooms.join[room]?.timeline.limited, true);
    assert.notEqual(synced.next_batch.split('_')[1], since.split('_')[1]);
    await alice.say(room, 'after the restore');
  });

  it('is made without a running server as well', async () => {
    await server.stop();
    const made = await hearth(`backup ${join(folder, 'cold')} --json`, { folder: server.dir });
    assert.equal(made.code, 0, made.stderr);
  });
});
