import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ProcessLock } from '../../src/store/process-lock.ts';
import { ServerProcess } from '../support/servers/server-process.ts';
import { hearth } from './command.ts';

describe('hearth', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-cli-'));
  after(() => rmSync(folder, { recursive: true }));

  it('version says on what it runs, and ends with 0', async () => {
    const { code, stdout } = await hearth('version --json', { folder });
    const versions = JSON.parse(stdout) as Record<string, string>;
    assert.equal(code, 0);
    assert.deepEqual(Object.keys(versions), ['version', 'node', 'sqlite']);
    assert.equal(versions['node'], process.versions.node);
  });

  const wrong = [
    'fly',
    'user',
    'user add',
    'serve --fly',
    'token create --uses 0',
    'user add alice',
    'user valid-until alice soon',
    'report remove first',
    'report list --limit some',
    'room ledger --limit some',
    'room thin !room:example.org',
    'room thin !room:example.org --older-than soon',
  ];
  for (const args of wrong) {
    it(`ends with 2 when called as "hearth ${args}"`, async () => {
      const { code, stdout, stderr } = await hearth(args, { folder });
      assert.deepEqual([code, stdout], [2, '']);
      assert.notEqual(stderr, '');
    });
  }

  it('ends with 1 and names every mistake of the configuration', async () => {
    writeFileSync(join(folder, 'bad.toml'), 'data_dir = 1\n[registration]\nmod = "open"\n');
    for (const args of ['serve --config bad.toml', 'config check -c bad.toml', 'user list --config bad.toml']) {
      const { code, stderr } = await hearth(args, { folder });
      assert.equal(code, 1);
      assert.match(stderr, /bad\.toml:1: data_dir: must be a path/);
      assert.match(stderr, /bad\.toml:3: registration\.mod: unknown key \(nearest valid key: registration\.mode\)/);
      assert.match(stderr, /server_name: is missing/);
    }
  });

  it('config show masks secrets', async () => {
    writeFileSync(join(folder, 'hearth.toml'), 'server_name = "a.org"\n[registration]\nshared_secret = "hunter2"\n');
    const { code, stdout } = await hearth('config show', { folder, env: { HEARTH_LOG_LEVEL: 'warn' } });
    assert.equal(code, 0);
    assert.match(stdout, /^shared_secret = "\(secret\)"$/m);
    assert.match(stdout, /^level = "warn"$/m);
  });
});

describe('commands without a server', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-cli-'));
  const dataDir = join(folder, 'data');
  writeFileSync(join(folder, 'hearth.toml'), 'server_name = "hearth.test"\ndata_dir = "data"\n');
  after(() => rmSync(folder, { recursive: true }));

  it('work on the data folder itself', async () => {
    const added = await hearth('user add alice --admin --password-stdin', { folder, input: 'a good password\n' });
    assert.deepEqual(added, { code: 0, stdout: 'Made @alice:hearth.test, an admin.\n', stderr: '' });
    const twice = await hearth('user add alice --password-stdin --json', { folder, input: 'a good password\n' });
    assert.equal(twice.code, 1);
    assert.equal((JSON.parse(twice.stdout) as { error: { code: string } }).error.code, 'exists');
    const listed = await hearth('user list', { folder });
    assert.match(listed.stdout, /^@alice:hearth\.test +admin +\d{4}-\d\d-\d\d /m);
    assert.deepEqual(
      readdirSync(dataDir)
        .filter((name) => !name.startsWith('hearth.db'))
        .toSorted(),
      ['signing.key', 'tmp'],
    );
  });

  it('change nothing while another process works on the folder', async () => {
    using lock = ProcessLock.take(dataDir);
    assert.ok(lock);
    const { code, stderr } = await hearth('key rotate', { folder });
    assert.equal(code, 1);
    assert.match(stderr, /does not answer on admin\.sock/);
    const served = await hearth('serve', { folder });
    assert.equal(served.code, 1);
    assert.match(served.stderr, /Another process works on/);
  });
});

describe('commands while the server runs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-cli-'));
  after(() => rmSync(folder, { recursive: true }));

  it('go through admin.sock and take effect at once', async () => {
    const server = await ServerProcess.start({ dir: folder });
    try {
      const added = await hearth('user add bob --password-stdin', { folder, input: 'a good password\n' });
      assert.deepEqual(added, { code: 0, stdout: 'Made @bob:hearth.test.\n', stderr: '' });
      assert.equal(await logIn(server, 'a good password'), 200);
      await hearth('user set-password bob --password-stdin', { folder, input: 'another password\n' });
      assert.equal(await logIn(server, 'a good password'), 403);
      const token = await hearth('token create --uses 1 --token party', { folder });
      assert.equal(token.stdout, 'party\n');
      const ended = await hearth('user valid-until bob 2001-02-03', { folder });
      assert.match(ended.stdout, /^The account @bob:hearth\.test ends at 2001-02-03/);
      assert.equal((await hearth('user valid-until bob always', { folder })).code, 0);
      assert.equal(await logIn(server, 'another password'), 200);
      const deactivated = await hearth('user deactivate bob --erase', { folder });
      assert.deepEqual([deactivated.code, deactivated.stderr], [0, '']);
      assert.equal(await logIn(server, 'another password'), 403);
    } finally {
      assert.equal(await server.stop(), 0);
    }
  });

  it('find what was done through the socket after the server has stopped', async () => {
    const { stdout } = await hearth('token list', { folder });
    assert.match(stdout, /^party +0 of 1 +for ever$/m);
  });
});

async function logIn(server: ServerProcess, password: string): Promise<number> {
  const identifier = { type: 'm.id.user', user: 'bob' };
  const body = JSON.stringify({ type: 'm.login.password', identifier, password });
  const answer = await fetch(`${server.url}/_matrix/client/v3/login`, { method: 'POST', body });
  await answer.arrayBuffer();
  return answer.status;
}
