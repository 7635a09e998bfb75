import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AdminError } from '../../src/admin/admin-error.ts';
import { isOperation, type OperationName, runOperation } from '../../src/admin/operations.ts';
import { memoryServices } from './memory-services.ts';

const alice = { user: 'alice', password: 'secret', admin: true };

/** Runs operations in turn and answers the last result. */
async function runAll(...calls: readonly (readonly [OperationName, unknown])[]) {
  const { services, log } = memoryServices();
  let result: unknown;
  for (const [name, input] of calls) result = await runOperation(services, name, input);
  return { result, log };
}

describe('admin operations', () => {
  it('user/add takes a name with or without server', async () => {
    for (const user of ['alice', '@alice', '@alice:example.org']) {
      const { result } = await runAll(['user/add', { ...alice, user }]);
      assert.deepEqual(result, { user_id: '@alice:example.org', admin: true });
    }
  });

  it('user/list answers pages in the order of user IDs', async () => {
    const { result } = await runAll(
      ['user/add', { user: 'bob', password: 'x' }],
      ['user/add', alice],
      ['user/add', { user: 'carol', password: 'x' }],
      ['user/deactivate', { user: 'bob' }],
      ['user/list', { after: '@alice:example.org', limit: 1 }],
    );
    const bob = { user_id: '@bob:example.org', admin: false, deactivated: true, created: 1 };
    assert.deepEqual(result, { users: [bob] });
  });

  it('user/set-password keeps devices logged in unless told otherwise', async () => {
    const { log } = await runAll(
      ['user/add', alice],
      ['user/set-password', { user: 'alice', password: 'new' }],
      ['user/set-password', { user: 'alice', password: 'newer', logout: true }],
    );
    assert.deepEqual(log, [
      'password of @alice:example.org: new, logOut false',
      'password of @alice:example.org: newer, logOut true',
    ]);
  });

  it('user/set-validity takes a time, or none for always', async () => {
    const { log, result } = await runAll(
      ['user/add', alice],
      ['user/set-validity', { user: 'alice', until: 1000 }],
      ['user/set-validity', { user: 'alice' }],
    );
    assert.deepEqual(log, ['valid @alice:example.org 1000', 'valid @alice:example.org always']);
    assert.deepEqual(result, { user_id: '@alice:example.org', until: null });
  });

  it('user/make-admin gives and takes', async () => {
    const { result } = await runAll(
      ['user/add', alice],
      ['user/make-admin', { user: 'alice', admin: false }],
      ['user/list', {}],
    );
    assert.equal((result as { users: { admin: boolean }[] }).users[0]?.admin, false);
  });

  it('db/stats answers bytes', async () => {
    const { result } = await runAll(['db/stats', {}]);
    assert.deepEqual(result, {
      file_bytes: 8192,
      free_bytes: 4096,
      search_bytes: 100,
      memory: { level: 'easy', rss_bytes: 1, budget_bytes: 2, pressure_percent: null },
      disk: { level: 'easy', free_bytes: 3 },
    });
  });

  it('report/list answers the newest first, report/remove removes one', async () => {
    const { result } = await runAll(['report/list', { before: 3, limit: 1 }]);
    assert.deepEqual(result, {
      reports: [
        {
          id: 2,
          time: 2,
          reporter: '@alice:example.org',
          user_id: '@bob:example.org',
          room_id: null,
          event_id: null,
          reason: 'spam',
        },
      ],
    });
    assert.deepEqual((await runAll(['report/remove', { id: 1 }])).result, { id: 1 });
    await assert.rejects(runAll(['report/remove', { id: 9 }]), { code: 'not_found' });
    await assert.rejects(runAll(['report/remove', { id: 0 }]), { code: 'bad_input' });
  });

  it('token/create makes one up or takes it as given', async () => {
    const { result } = await runAll(
      ['token/create', {}],
      ['token/create', { token: 'party', uses: 2, lifetime_ms: 50 }],
      ['token/list', {}],
    );
    assert.deepEqual(result, {
      tokens: [
        { token: 'made-up', uses: null, used: 0, created: 100, expires: null },
        { token: 'party', uses: 2, used: 0, created: 100, expires: 150 },
      ],
    });
  });

  it('key/show answers public halves', async () => {
    const { result } = await runAll(['key/show', {}]);
    assert.deepEqual(result, { keys: [{ key_id: 'ed25519:a', public_key: 'abc', created: 5, expired: null }] });
  });

  const refused: readonly [situation: string, calls: readonly (readonly [OperationName, unknown])[], code: string][] = [
    [
      'a name that is taken',
      [
        ['user/add', alice],
        ['user/add', alice],
      ],
      'exists',
    ],
    ['a name with capitals', [['user/add', { ...alice, user: 'Alice' }]], 'bad_input'],
    ['a name with a space', [['user/add', { ...alice, user: 'al ice' }]], 'bad_input'],
    ['a user of another server', [['user/add', { ...alice, user: '@alice:elsewhere.org' }]], 'bad_input'],
    ['an empty password', [['user/add', { ...alice, password: '' }]], 'bad_input'],
    ['a key that is not known', [['user/add', { ...alice, colour: 'red' }]], 'bad_input'],
    ['no input at all', [['user/add', null]], 'bad_input'],
    ['a page without end', [['user/list', { limit: 1_000_000 }]], 'bad_input'],
    ['nobody', [['user/set-password', { user: 'nobody', password: 'x' }]], 'not_found'],
    [
      'a second deactivation',
      [
        ['user/add', alice],
        ['user/deactivate', { user: 'alice' }],
        ['user/deactivate', { user: 'alice' }],
      ],
      'deactivated',
    ],
    [
      'a token twice',
      [
        ['token/create', { token: 'a' }],
        ['token/create', { token: 'a' }],
      ],
      'exists',
    ],
    ['a token with odd letters', [['token/create', { token: 'a b' }]], 'bad_input'],
    ['no uses', [['token/create', { uses: 0 }]], 'bad_input'],
    ['a token that is not there', [['token/revoke', { token: 'a' }]], 'not_found'],
  ];
  for (const [situation, calls, code] of refused) {
    it(`refuse ${situation}`, async () => {
      await assert.rejects(runAll(...calls), (error) => error instanceof AdminError && error.code === code);
    });
  }

  it('are known by name', () => {
    assert.ok(isOperation('user/add'));
    assert.ok(!isOperation('constructor'));
  });
});
