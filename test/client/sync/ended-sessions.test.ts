import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from '../../support/servers/world.ts';

const v3 = '/_matrix/client/v3';

/** Lets a request come to where it waits. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a call that waits', () => {
  for (const path of ['sync?timeout=30000&since=', 'events?timeout=30000&from=']) {
    it(`tells nothing once its session has ended: GET /${path}`, async () => {
      await using world = await World.open();
      const [alice, bob] = [await world.register('alice'), await world.register('bob')];
      const made = await world.ok('POST', `${v3}/createRoom`, alice, { preset: 'public_chat' });
      const room = encodeURIComponent(made.room_id as string);
      await world.ok('POST', `${v3}/rooms/${room}/join`, bob, {});
      const ends: readonly (readonly [errcode: string, end: () => Promise<unknown>])[] = [
        ['M_USER_LOCKED', () => world.hs.services.accounts.setLocked('@bob:localhost' as never, true)],
        ['M_UNKNOWN_TOKEN', () => world.ok('POST', `${v3}/logout`, bob, {})],
      ];
      for (const [txn, [errcode, end]] of ends.entries()) {
        const { next_batch: since } = await world.ok('GET', `${v3}/sync`, bob);
        const waiting = world.call('GET', `${v3}/${path}${since}`, { token: bob });
        await turn();
        await end();
        const secret = { msgtype: 'm.text', body: 'what only bob may read' };
        await world.ok('PUT', `${v3}/rooms/${room}/send/m.room.message/${txn}`, alice, secret);
        const answer = await waiting;
        assert.deepEqual([answer.status, answer.json.errcode], [401, errcode]);
        await world.hs.services.accounts.setLocked('@bob:localhost' as never, false);
      }
    });
  }
});
