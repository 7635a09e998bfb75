import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FederationClient } from '../../src/federation/client.ts';
import { RemoteDirectory } from '../../src/federation/remote-directory.ts';
import { asRoomAlias } from '../../src/protocol/ids/room-id.ts';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import type { JsonObject } from '../../src/util/json.ts';

const alias = asRoomAlias('#tea:there.test');

function answering(value: JsonObject): { client: Pick<FederationClient, 'call'>; asked: string[] } {
  const asked: string[] = [];
  const call: FederationClient['call'] = async ({ server, path, query }) => {
    asked.push(`${server} ${path} ${String(query?.['room_alias'])}`);
    return { ok: true, status: 200, headers: {}, value };
  };
  return { client: { call }, asked };
}

describe('the aliases of other servers', () => {
  it('are asked of the server that they name', async () => {
    const { client, asked } = answering({ room_id: '!a:there.test', servers: ['there.test', 'b.test'] });
    const found = await new RemoteDirectory(client).resolveAlias(alias);
    assert.deepEqual(found, { ok: true, roomId: '!a:there.test', servers: ['there.test', 'b.test'] });
    assert.deepEqual(asked, ['there.test /_matrix/federation/v1/query/directory #tea:there.test']);
  });

  it('are asked for once by all who ask at the same time', async () => {
    const { client, asked } = answering({ room_id: '!a:there.test', servers: [] });
    const directory = new RemoteDirectory(client);
    const [first, second] = await Promise.all([directory.resolveAlias(alias), directory.resolveAlias(alias)]);
    assert.deepEqual(first, second);
    assert.equal(asked.length, 1);
    await directory.resolveAlias(alias);
    assert.equal(asked.length, 2, 'what was answered is not kept');
  });

  it('lead to the server that answered where it names none', async () => {
    for (const servers of [[], 'there.test', null, [7, 'not a server', {}]]) {
      const { client } = answering({ room_id: '!a:there.test', servers });
      const found = await new RemoteDirectory(client).resolveAlias(alias);
      assert.deepEqual(found, { ok: true, roomId: '!a:there.test', servers: ['there.test'] });
    }
  });

  it('lead to a bounded number of servers, each once', async () => {
    const servers = Array.from({ length: 1000 }, (_, n) => `s${n >> 1}.test`);
    const { client } = answering({ room_id: '!a:there.test', servers });
    const found = await new RemoteDirectory(client).resolveAlias(alias);
    assert.ok(found.ok);
    assert.equal(found.servers.length, 25);
  });

  it('lead nowhere where the answer names no room', async () => {
    for (const room of [undefined, 7, 'tea', '#tea:there.test', `!${'a'.repeat(300)}:there.test`]) {
      const { client } = answering({ servers: ['there.test'], ...(room === undefined ? {} : { room_id: room }) });
      const found = await new RemoteDirectory(client).resolveAlias(alias);
      assert.ok(!found.ok);
      assert.equal(found.kind, 'invalid');
    }
  });

  it('fail as the call to the server fails', async () => {
    const failure = {
      ok: false,
      server: asServerName('there.test'),
      kind: 'down',
      retryable: true,
      detail: '',
    } as const;
    const found = await new RemoteDirectory({ call: async () => failure }).resolveAlias(alias);
    assert.deepEqual(found, failure);
  });
});
