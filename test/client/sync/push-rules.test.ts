import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openSyncWorld } from '../../sync/sync-world.ts';

const base = '/_matrix/client/v3/pushrules';

describe('push rules over the API', () => {
  it('are all there, also one by one', async () => {
    await using world = openSyncWorld();
    const alice = world.person('alice');
    const all = await alice.request({ path: `${base}/` });
    assert.equal(all.json.global.override[0].rule_id, '.m.rule.master');
    assert.deepEqual((await alice.request({ path: `${base}/global/` })).json, all.json.global);
    const one = await alice.request({ path: `${base}/global/underride/.m.rule.message` });
    assert.deepEqual(one.json.actions, ['notify']);
    const part = await alice.request({ path: `${base}/global/underride/.m.rule.message/enabled` });
    assert.deepEqual(part.json, { enabled: true });
    const actions = await alice.request({ path: `${base}/global/underride/.m.rule.message/actions` });
    assert.deepEqual(actions.json, { actions: ['notify'] });
  });

  it('are added, placed, changed, turned off and deleted', async () => {
    await using world = openSyncWorld();
    const alice = world.person('alice');
    const put = (path: string, body: unknown) => alice.request({ method: 'PUT', path: `${base}/global/${path}`, body });
    const tea = { pattern: 'tea', actions: ['notify', 'dont_notify', { set_tweak: 'sound', value: 'x' }] };
    assert.equal((await put('content/tea', tea)).status, 200);
    assert.equal((await put('content/cake?after=tea', { pattern: 'cake', actions: [] })).status, 200);
    assert.equal((await put('content/tea/enabled', { enabled: false })).status, 200);
    assert.equal((await put('content/cake/actions', { actions: ['notify'] })).status, 200);
    const rules = (await alice.request({ path: `${base}/global` })).json.content;
    assert.deepEqual(rules, [
      {
        rule_id: 'tea',
        default: false,
        enabled: false,
        actions: ['notify', 'dont_notify', { set_tweak: 'sound', value: 'x' }],
        pattern: 'tea',
      },
      { rule_id: 'cake', default: false, enabled: true, actions: ['notify'], pattern: 'cake' },
    ]);
    const path = `${base}/global/content/tea`;
    assert.equal((await alice.request({ method: 'DELETE', path })).status, 200);
    assert.equal((await alice.request({ path })).status, 404);
    const other = world.person('bob', 2);
    assert.deepEqual((await other.request({ path: `${base}/global` })).json.content, []);
  });

  it('have a bound on their size', async () => {
    await using world = openSyncWorld();
    const alice = world.person('alice');
    const put = (id: string) => {
      const body = { actions: ['notify', { set_tweak: 'sound', value: 'x'.repeat(50_000) }] };
      return alice.request({ method: 'PUT', path: `${base}/global/override/${id}`, body });
    };
    assert.deepEqual([(await put('a')).status, (await put('b')).status], [200, 200]);
    const third = await put('c');
    assert.deepEqual([third.status, third.json.errcode], [413, 'M_TOO_LARGE']);
  });

  const rule = { actions: ['notify'] };
  const refused: readonly [string, string, string, unknown, number, string][] = [
    ['a kind that there is not', 'PUT', 'strange/x', rule, 400, 'M_INVALID_PARAM'],
    ['an ID with a dot in front', 'PUT', 'override/.mine', rule, 400, 'M_INVALID_PARAM'],
    ['an ID with a slash', 'PUT', 'override/a%2Fb', rule, 400, 'M_INVALID_PARAM'],
    ['an ID with a backslash', 'PUT', 'override/a%5Cb', rule, 400, 'M_INVALID_PARAM'],
    ['a room rule for no room', 'PUT', 'room/kitchen', rule, 400, 'M_INVALID_PARAM'],
    ['a sender rule for nobody', 'PUT', 'sender/bob', rule, 400, 'M_INVALID_PARAM'],
    ['no actions', 'PUT', 'override/x', {}, 400, 'M_MISSING_PARAM'],
    ['actions that are no list', 'PUT', 'override/x', { actions: 'notify' }, 400, 'M_BAD_JSON'],
    ['an action of a wrong type', 'PUT', 'override/x', { actions: [5] }, 400, 'M_BAD_JSON'],
    ['a condition without a kind', 'PUT', 'override/x', { ...rule, conditions: [{}] }, 400, 'M_MISSING_PARAM'],
    ['a content rule without a pattern', 'PUT', 'content/x', rule, 400, 'M_BAD_JSON'],
    ['a pattern that is too long', 'PUT', 'content/x', { ...rule, pattern: 'x'.repeat(256) }, 400, 'M_INVALID_PARAM'],
    ['a neighbour that is not there', 'PUT', 'override/x?before=y', rule, 400, 'M_UNKNOWN'],
    ['a neighbour of the server', 'PUT', 'override/x?before=.m.rule.master', rule, 400, 'M_INVALID_PARAM'],
    ['to delete what is not there', 'DELETE', 'override/x', undefined, 404, 'M_NOT_FOUND'],
    ['to delete what is the server’s', 'DELETE', 'override/.m.rule.master', undefined, 400, 'M_INVALID_PARAM'],
    ['to show what is not there', 'GET', 'override/x', undefined, 404, 'M_NOT_FOUND'],
    ['to turn off what is not there', 'PUT', 'override/x/enabled', { enabled: false }, 404, 'M_NOT_FOUND'],
    ['to say whether it is on what is not there', 'GET', 'override/x/enabled', undefined, 404, 'M_NOT_FOUND'],
    ['to tell the actions of what is not there', 'GET', 'override/x/actions', undefined, 404, 'M_NOT_FOUND'],
    ['to change the actions of what is not there', 'PUT', 'override/x/actions', rule, 404, 'M_NOT_FOUND'],
    ['enabled of a wrong type', 'PUT', 'override/.m.rule.master/enabled', { enabled: 1 }, 400, 'M_BAD_JSON'],
  ];
  for (const [name, method, path, body, status, errcode] of refused) {
    it(`refuse ${name}: ${status} ${errcode}`, async () => {
      await using world = openSyncWorld();
      const answer = await world.person('alice').request({ method, path: `${base}/global/${path}`, body });
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode]);
    });
  }
});
