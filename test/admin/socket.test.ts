import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { AdminSocket } from '../../src/api/admin/socket.ts';
import { CommandFailed } from '../../src/cli/arguments.ts';
import { askServer } from '../../src/cli/socket-client.ts';
import { silentLog } from '../../src/util/log.ts';
import { memoryServices } from './memory-services.ts';

describe('admin.sock', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-admin-'));
  const path = join(folder, 'admin.sock');
  const world: { socket?: AdminSocket } = {};

  before(async () => {
    writeFileSync(path, ''); // what a dead server left
    world.socket = await AdminSocket.listen(path, memoryServices().services, silentLog);
  });
  after(async () => {
    await world.socket?.close();
    assert.deepEqual(await askServer(folder, 'user/list', {}), { reached: false });
    rmSync(folder, { recursive: true });
  });

  function post(url: string, body: string, method = 'POST'): Promise<{ status: number | undefined; body: unknown }> {
    return new Promise((resolve, reject) => {
      const call = request({ socketPath: path, path: url, method }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode, body: JSON.parse(text) }));
      });
      call.on('error', reject).end(body);
    });
  }

  it('may be opened by its owner only', () => assert.equal(statSync(path).mode & 0o777, 0o600));

  it('answers the result of an operation', async () => {
    const made = await askServer(folder, 'user/add', { user: 'alice', password: 'x' });
    assert.deepEqual(made, { reached: true, result: { user_id: '@alice:example.org', admin: false } });
  });

  it('answers a refusal as one', async () => {
    await assert.rejects(askServer(folder, 'token/revoke', { token: 'x' }), (error) => {
      return error instanceof CommandFailed && error.code === 'not_found' && error.message === 'there is no such token';
    });
  });

  it('does not say what a bug is about', async () => {
    const answer = await post('/v1/key/rotate', '{}');
    assert.equal(answer.status, 500);
    assert.doesNotMatch(JSON.stringify(answer.body), /fire/);
  });

  const cases: readonly [string, string, string, string, number][] = [
    ['an unknown operation', '/v1/user/fly', '{}', 'POST', 404],
    ['another method', '/v1/user/list', '', 'GET', 404],
    ['another path', '/', '{}', 'POST', 404],
    ['broken JSON', '/v1/user/list', '{', 'POST', 400],
    ['a huge input', '/v1/user/list', JSON.stringify({ after: 'x'.repeat(1024 * 1024) }), 'POST', 400],
  ];
  for (const [situation, url, body, method, status] of cases) {
    it(`refuses ${situation} with ${status}`, async () => assert.equal((await post(url, body, method)).status, status));
  }
});
