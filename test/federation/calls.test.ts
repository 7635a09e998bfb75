import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import { Universe } from '../support/servers/universe.ts';

const b = asServerName('b.test');

describe('calls between servers', () => {
  it('carry a signature that the other server checks with the key it fetches', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const { client, reachability } = universe.world('a.test').hs.services.federation;
    const answer = await client.call({ server: b, method: 'GET', path: '/_matrix/federation/v1/version' });
    assert.deepEqual(answer.ok && answer.value['server'], { name: 'Hearth', version: '0.1.0' });
    assert.equal(reachability.isDown(b), false);
    assert.equal(reachability.lastAnswered(b), universe.clock.now());
  });
});
