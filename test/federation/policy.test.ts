import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FederationPolicy } from '../../src/federation/policy.ts';
import { asServerName } from '../../src/protocol/ids/server-name.ts';

const cases: readonly [what: string, settings: object, server: string, may: boolean][] = [
  ['anybody by default', {}, 'b.test', true],
  ['nobody when it is switched off', { enabled: false }, 'b.test', false],
  ['not ourselves', {}, 'a.test', false],
  ['not ourselves even if allowed', { allow: ['*'] }, 'a.test', false],
  ['only those allowed', { allow: ['*.good.test', 'c.test'] }, 'b.test', false],
  ['those allowed by a pattern', { allow: ['*.good.test'] }, 'x.good.test', true],
  ['those allowed by name', { allow: ['c.test'] }, 'c.test', true],
  ['those allowed by name, at a port', { allow: ['c.test'] }, 'c.test:99', true],
  ['only that port if a port was allowed', { allow: ['c.test:99'] }, 'c.test', false],
  ['not those denied', { deny: ['b.test'] }, 'b.test', false],
  ['not those denied at another port', { deny: ['b.test'] }, 'b.test:99', false],
  ['not those denied in another case', { deny: ['b.test'] }, 'B.Test', false],
  ['not those denied by a pattern', { deny: ['*.evil.test'] }, 'x.evil.test', false],
  ['not those denied although allowed', { allow: ['*'], deny: ['b.test'] }, 'b.test', false],
  ['not a denied address', { deny: ['[2001:db8::1]'] }, '[2001:db8::1]:8448', false],
  ['others than those denied', { deny: ['b?.test'] }, 'b.test', true],
];

describe('a server talks to', () => {
  for (const [what, settings, server, may] of cases) {
    it(what, () => {
      const policy = new FederationPolicy({ enabled: true, allow: [], deny: [], ...settings }, asServerName('a.test'));
      assert.equal(policy.mayTalkTo(asServerName(server)), may);
    });
  }

  it('those of new lists once they are taken over', () => {
    const policy = new FederationPolicy({ enabled: true, allow: [], deny: ['b.test'] }, asServerName('a.test'));
    policy.use({ allow: [], deny: ['c.test'] });
    assert.deepEqual(
      [policy.mayTalkTo(asServerName('b.test')), policy.mayTalkTo(asServerName('c.test'))],
      [true, false],
    );
    policy.use({ allow: ['d.test'], deny: [] });
    assert.deepEqual(
      [policy.mayTalkTo(asServerName('b.test')), policy.mayTalkTo(asServerName('d.test'))],
      [false, true],
    );
  });
});
