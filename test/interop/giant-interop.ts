import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type GiantShape, giantServer } from '../support/giant/giant-room.ts';

const program = join(import.meta.dirname, 'giant-guest-main.ts');
const imports = join(import.meta.dirname, '../../build/text-imports.mjs');

describe('rooms that are made for tests', () => {
  const canIsolate = spawnSync('unshare', ['-rmn', 'true']).status === 0;

  for (const version of ['6', '10', '12']) {
    it(`are good rooms for Synapse, too: it joins one of 200 members on 50 servers (room version ${version})`, (t) => {
      if (!canIsolate) return t.skip('no network of its own can be had here');
      const shape: GiantShape = { members: 200, servers: 50, version };
      const folder = mkdtempSync(join(tmpdir(), 'hearth-names-'));
      const names = ['localhost', ...Array.from({ length: shape.servers }, (_, index) => giantServer(index))];
      writeFileSync(join(folder, 'hosts'), `127.0.0.1 ${names.join(' ')}\n`);
      writeFileSync(join(folder, 'resolv.conf'), 'nameserver 127.0.0.1\n');
      const script =
        'ip link set lo up; for f in hosts resolv.conf; do mount --bind "$0/$f" "/etc/$f"; done; exec "$@"';
      const node = [process.execPath, '--import', imports, '--disable-warning=ExperimentalWarning', program];
      const words = ['-rmn', 'sh', '-c', script, folder, ...node, JSON.stringify(shape)];
      const { stdout, stderr, status } = spawnSync('unshare', words, { encoding: 'utf8', timeout: 120_000 });
      rmSync(folder, { recursive: true });
      assert.equal(status, 0, stderr);
      // All whose events it finds good, and whoever has joined.
      assert.deepEqual(JSON.parse(stdout), { members: shape.members + 1 });
    });
  }
});
