import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from '../../support/servers/world.ts';

/** Status and body of each document. */
async function documents(settings: Readonly<Record<string, unknown>>) {
  await using world = await World.open(settings);
  const told: Record<string, unknown> = {};
  for (const name of ['server', 'client', 'support', 'policy_server']) {
    const answer = await world.call('GET', `/.well-known/matrix/${name}`);
    assert.equal(answer.headers['access-control-allow-origin'], '*');
    assert.equal(answer.headers['content-type'], 'application/json');
    told[name] = answer.status === 200 ? answer.json : [answer.status, answer.json.errcode];
  }
  return told;
}

const absent = [404, 'M_NOT_FOUND'];
const unknown = [404, 'M_UNRECOGNIZED'];

describe('the documents under /.well-known/matrix', () => {
  it('say what is configured', async () => {
    const told = await documents({
      public_url: 'https://matrix.example.org/',
      well_known: {
        server: 'matrix.example.org:443',
        support_email: 'admin@example.org',
        support_user: '@admin:example.org',
        support_page: 'https://example.org/help',
        policy_server_key: '6yhHGKhCiXTSEN2ksjV7kX/N6rBQZ3Xb+M7LlC6NS+s',
      },
    });
    assert.deepEqual(told, {
      server: { 'm.server': 'matrix.example.org:443' },
      client: { 'm.homeserver': { base_url: 'https://matrix.example.org' } },
      support: {
        contacts: [{ role: 'm.role.admin', email_address: 'admin@example.org', matrix_id: '@admin:example.org' }],
        support_page: 'https://example.org/help',
      },
      policy_server: { public_keys: { ed25519: '6yhHGKhCiXTSEN2ksjV7kX/N6rBQZ3Xb+M7LlC6NS+s' } },
    });
  });

  it('are not there where nothing is configured', async () => {
    assert.deepEqual(await documents({}), { server: absent, client: absent, support: absent, policy_server: absent });
  });

  it('name contacts or a page, whichever there is', async () => {
    const page = await documents({ well_known: { support_page: 'https://example.org/help' } });
    assert.deepEqual(page['support'], { support_page: 'https://example.org/help' });
    const user = await documents({ well_known: { support_user: '@admin:example.org' } });
    assert.deepEqual(user['support'], { contacts: [{ role: 'm.role.admin', matrix_id: '@admin:example.org' }] });
  });

  it('are left to another program if the admin wants it so', async () => {
    const settings = { public_url: 'https://a.test', well_known: { serve: false, server: 'a.test:443' } };
    assert.deepEqual(await documents(settings), {
      server: unknown,
      client: unknown,
      support: unknown,
      policy_server: unknown,
    });
  });

  it('have none for other servers without federation', async () => {
    const settings = { federation: { enabled: false }, well_known: { server: 'a.test:443' } };
    assert.deepEqual((await documents(settings))['server'], unknown);
  });
});
