import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from '../support/servers/world.ts';

const v3 = '/_matrix/client/v3';
const v1 = '/_matrix/client/v1';

/** Root and other are admins, alice and bob are not, gone is deactivated. */
async function openWorld() {
  const world = await World.open();
  const tokens: Record<string, string | undefined> = { nobody: undefined };
  for (const name of ['root', 'other', 'alice', 'bob', 'gone']) tokens[name] = await world.register(name);
  const { accounts, deactivation } = world.hs.services;
  for (const name of ['root', 'other']) accounts.setAdmin(`@${name}:localhost` as never, true);
  await deactivation.deactivate(accounts.row('@gone:localhost' as never)?.user as never, false);
  return { world, tokens, token: (name: string) => tokens[name] as string };
}

type Case = readonly [who: string, method: string, path: string, body: unknown, status: number, outcome: unknown];

const cases: readonly Case[] = [
  ...(['suspend', 'lock'] as const).flatMap((what): Case[] => {
    const key = what === 'lock' ? 'locked' : 'suspended';
    const path = (user: string) => `${v1}/admin/${what}/${user}`;
    const on = { [key]: true };
    return [
      ['root', 'GET', path('@alice:localhost'), undefined, 200, { [key]: false }],
      ['root', 'PUT', path('@alice:localhost'), on, 200, on],
      ['root', 'PUT', path('@alice:localhost'), { [key]: false }, 200, { [key]: false }],
      ['root', 'PUT', path('@alice:localhost'), {}, 400, 'M_MISSING_PARAM'],
      ['root', 'PUT', path('@alice:localhost'), { [key]: 'yes' }, 400, 'M_BAD_JSON'],
      ['root', 'PUT', path('@root:localhost'), on, 403, 'M_FORBIDDEN'],
      ['root', 'GET', path('@root:localhost'), undefined, 200, { [key]: false }],
      ['root', 'GET', path('@other:localhost'), undefined, 403, 'M_FORBIDDEN'],
      ['root', 'PUT', path('@other:localhost'), on, 403, 'M_FORBIDDEN'],
      ...(['GET', 'PUT'] as const).flatMap((method): Case[] => {
        const body = method === 'PUT' ? on : undefined;
        return [
          ['root', method, path('@gone:localhost'), body, 404, 'M_NOT_FOUND'],
          ['root', method, path('@no:localhost'), body, 404, 'M_NOT_FOUND'],
          ['root', method, path('@a:elsewhere.test'), body, 400, 'M_INVALID_PARAM'],
          ['root', method, path('rubbish'), body, 400, 'M_INVALID_PARAM'],
          ['alice', method, path('@bob:localhost'), body, 403, 'M_FORBIDDEN'],
          ['alice', method, path('@no:localhost'), body, 403, 'M_FORBIDDEN'],
          ['alice', method, path('@a:elsewhere.test'), body, 403, 'M_FORBIDDEN'],
          ['nobody', method, path('@alice:localhost'), body, 401, 'M_MISSING_TOKEN'],
        ];
      }),
    ];
  }),
  ['alice', 'GET', `${v3}/admin/whois/@bob:localhost`, undefined, 403, 'M_FORBIDDEN'],
  ['alice', 'GET', `${v3}/admin/whois/@no:localhost`, undefined, 403, 'M_FORBIDDEN'],
  ['root', 'GET', `${v3}/admin/whois/@no:localhost`, undefined, 404, 'M_NOT_FOUND'],
  ['root', 'GET', `${v3}/admin/whois/@a:elsewhere.test`, undefined, 400, 'M_INVALID_PARAM'],
  ['nobody', 'GET', `${v3}/admin/whois/@alice:localhost`, undefined, 401, 'M_MISSING_TOKEN'],
];

describe('server administration', () => {
  it('answers as the specification says', async () => {
    const { world, tokens } = await openWorld();
    await using _ = world;
    for (const [who, method, path, body, status, outcome] of cases) {
      const answer = await world.call(method, path, { token: tokens[who], body });
      const label = `${who}: ${method} ${path} ${JSON.stringify(body)} answered ${answer.text}`;
      assert.equal(answer.status, status, label);
      if (typeof outcome === 'string') assert.equal(answer.json.errcode, outcome, label);
      else assert.deepEqual(answer.json, outcome, label);
    }
  });

  it('whois tells oneself and admins where each device was last used', async () => {
    const { world, token } = await openWorld();
    await using _ = world;
    // "Last seen" is not written at every request.
    world.clock.advance(10 * 60_000);
    await world.call('GET', `${v3}/account/whoami`, { token: token('alice'), ip: '192.0.2.7' });
    for (const who of ['alice', 'root']) {
      const answer = await world.ok('GET', `${v3}/admin/whois/@alice:localhost`, token(who));
      assert.equal(answer.user_id, '@alice:localhost');
      const [device] = Object.values<{ sessions: { connections: object[] }[] }>(answer.devices);
      assert.deepEqual(device?.sessions[0]?.connections, [{ ip: '192.0.2.7', last_seen: world.clock.now() }]);
    }
  });

  it('is a capability of admins only', async () => {
    const { world, token } = await openWorld();
    await using _ = world;
    const of = async (who: string) =>
      (await world.ok('GET', `${v3}/capabilities`, token(who))).capabilities['m.account_moderation'];
    assert.deepEqual(await of('root'), { suspend: true, lock: true });
    assert.equal(await of('alice'), undefined);
  });
});

describe('a locked account', () => {
  it('is answered 401 M_USER_LOCKED with soft_logout everywhere, may log out, and is back when unlocked', async () => {
    const { world, token } = await openWorld();
    await using _ = world;
    await world.ok('PUT', `${v1}/admin/lock/@alice:localhost`, token('root'), { locked: true });
    for (const path of ['account/whoami', 'sync', 'capabilities', 'joined_rooms']) {
      const answer = await world.call('GET', `${v3}/${path}`, { token: token('alice') });
      assert.deepEqual([answer.status, answer.json.errcode, answer.json.soft_logout], [401, 'M_USER_LOCKED', true]);
    }
    await world.ok('PUT', `${v1}/admin/lock/@alice:localhost`, token('root'), { locked: false });
    await world.ok('GET', `${v3}/account/whoami`, token('alice'));
    await world.ok('PUT', `${v1}/admin/lock/@alice:localhost`, token('root'), { locked: true });
    await world.ok('POST', `${v3}/logout`, token('alice'), {});
  });
});

describe('a suspended account', () => {
  it('can neither write nor join, but read, leave and redact what is its own', async () => {
    const { world, token } = await openWorld();
    await using _ = world;
    const make = async () =>
      (await world.ok('POST', `${v3}/createRoom`, token('bob'), { preset: 'public_chat' })).room_id as string;
    const [room, open, invited] = [await make(), await make(), await make()];
    await world.ok('POST', `${v3}/rooms/${room}/join`, token('alice'), {});
    await world.ok('POST', `${v3}/rooms/${invited}/invite`, token('bob'), { user_id: '@alice:localhost' });
    const say = async (who: string, txn: string) =>
      (await world.ok('PUT', `${v3}/rooms/${room}/send/m.room.message/${txn}`, token(who), { body: 'hi' })).event_id;
    const [own, others] = [await say('alice', 't1'), await say('bob', 't2')];
    await world.ok('PUT', `${v3}/rooms/${room}/state/m.room.power_levels/`, token('bob'), {
      users: { '@alice:localhost': 50 },
    });

    await world.ok('PUT', `${v1}/admin/suspend/@alice:localhost`, token('root'), { suspended: true });
    const refused: readonly [string, string, unknown][] = [
      ['PUT', `rooms/${room}/send/m.room.message/t3`, { body: 'hi' }],
      ['PUT', `rooms/${room}/send/m.room.redaction/t4`, {}],
      ['PUT', `rooms/${room}/state/m.room.topic/`, { topic: 'tea' }],
      ['PUT', `rooms/${room}/state/m.room.member/@alice:localhost`, { membership: 'join', displayname: 'A' }],
      ['PUT', `rooms/${room}/redact/${others}/t5`, {}],
      ['PUT', `rooms/${room}/send/m.room.redaction/t6`, { redacts: others }],
      ['POST', `rooms/${room}/invite`, { user_id: '@other:localhost' }],
      ['POST', `rooms/${room}/kick`, { user_id: '@bob:localhost' }],
      ['POST', `rooms/${room}/ban`, { user_id: '@bob:localhost' }],
      ['POST', `rooms/${open}/join`, {}],
      ['POST', `join/${open}`, {}],
      ['POST', `join/${invited}`, {}],
      ['POST', `knock/${open}`, {}],
      ['POST', 'createRoom', {}],
      ['PUT', 'profile/@alice:localhost/displayname', { displayname: 'A' }],
    ];
    for (const [method, path, body] of refused) {
      const answer = await world.call(method, `${v3}/${path}`, { token: token('alice'), body });
      assert.deepEqual([path, answer.status, answer.json.errcode], [path, 403, 'M_USER_SUSPENDED']);
    }
    await world.ok('GET', `${v3}/sync`, token('alice'));
    await world.ok('GET', `${v3}/rooms/${room}/messages?dir=b`, token('alice'));
    await world.ok('PUT', `${v3}/rooms/${room}/redact/${own}/t7`, token('alice'), {});
    await world.ok('POST', `${v3}/rooms/${invited}/leave`, token('alice'), {});
    await world.ok('POST', `${v3}/rooms/${room}/leave`, token('alice'), {});
    const login = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'alice' } };
    await world.ok('POST', `${v3}/login`, '', { ...login, password: 'password of alice' });

    await world.ok('PUT', `${v1}/admin/suspend/@alice:localhost`, token('root'), { suspended: false });
    await world.ok('POST', `${v3}/rooms/${room}/join`, token('alice'), {});
  });
});
