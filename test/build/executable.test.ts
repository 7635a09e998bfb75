import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { projectRoot } from '../architecture/source-files.ts';
import { ServerProcess } from '../support/server-process.ts';

const run = promisify(execFile);

describe('npm run build', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-build-'));
  after(() => rmSync(folder, { recursive: true }));

  it('leaves an executable that serves wherever it is moved to, without any Node on the machine', async () => {
    const made = join(folder, 'made');
    await run(process.execPath, [join(projectRoot, 'build/bundle.ts'), '--out', made], { cwd: projectRoot });
    const moved = join(folder, 'elsewhere');
    renameSync(made, moved);
    const executable = join(moved, 'hearth');

    const { stdout } = await run(executable, ['version', '--json'], { env: { PATH: '/usr/bin:/bin' } });
    assert.equal((JSON.parse(stdout) as { node: string }).node, process.versions.node);

    const server = await ServerProcess.start({ executable, env: { PATH: '/usr/bin:/bin' } });
    try {
      const answer = await fetch(`${server.url}/_matrix/client/v3/login`);
      assert.equal(answer.status, 200);
      await answer.arrayBuffer();
      assert.equal(await server.stop(), 0);
    } finally {
      await server.remove();
    }
  });
});
