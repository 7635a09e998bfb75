import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import { ServerAcl, serverAclAllows } from '../../src/protocol/server-acl.ts';
import type { JsonObject } from '../../src/util/json.ts';
import { readVectors } from './vectors.ts';

interface ServerAclVectors {
  readonly cases: readonly {
    readonly allow_ip_literals: boolean;
    readonly allow: string[];
    readonly deny: string[];
    readonly server: string;
    readonly allowed: boolean;
  }[];
}

describe('a server ACL', () => {
  for (const { server, allowed, ...content } of readVectors<ServerAclVectors>('server-acl').cases) {
    it(`${allowed ? 'allows' : 'denies'} ${server} by ${JSON.stringify(content)}`, () => {
      assert.equal(serverAclAllows(content, asServerName(server)), allowed);
    });
  }

  it('allows every server where the room has none', () => {
    assert.equal(serverAclAllows(undefined, asServerName('a.example')), true);
  });

  const odd: readonly [JsonObject, string, boolean][] = [
    [{}, 'a.example', false],
    [{ allow: ['*'] }, '1.2.3.4', true],
    [{ allow: ['*'], allow_ip_literals: 'false' }, '1.2.3.4', true],
    [{ allow: '*' }, 'a.example', false],
    [{ allow: ['*'], deny: 'a.example' }, 'a.example', true],
    [{ allow: [null, 7, {}, '*'], deny: [['a.example']] }, 'a.example', true],
    [{ allow: ['*'], deny: ['[::1]'] }, '[::1]:8448', false],
    [{ allow: ['*'], deny: ['A.EXAMPLE'] }, 'a.example', false],
    [{ allow: ['a.examplE'] }, 'A.Example:1', true],
    [{ allow: ['a.example:8448'] }, 'a.example:8448', false],
    [{ allow: ['*'], deny: ['.*'] }, 'a.example', true],
    [{ allow: ['a.(example|test)'] }, 'a.example', false],
    [{ allow: ['*'], allow_ip_literals: false }, '1.2.3.400', true],
  ];
  for (const [content, server, allowed] of odd) {
    it(`${allowed ? 'allows' : 'denies'} ${server} by ${JSON.stringify(content)}`, () => {
      assert.equal(new ServerAcl(content).allows(asServerName(server)), allowed);
    });
  }
});
