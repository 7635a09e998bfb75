import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Universe } from '../../support/servers/universe.ts';
import { IdentityServer, identityToken } from '../../support/stubs/identity-server.ts';

const v3 = '/_matrix/client/v3';
const enc = encodeURIComponent;
const bob = '@bob:b.test';

/** alice of a.test has invited an address into a room, which turns out to be that of bob of b.test. */
async function scene(
  version: string,
  work: (at: {
    readonly universe: Universe;
    readonly identity: IdentityServer;
    readonly room: string;
    readonly tokens: { readonly alice: string; readonly bob: string; readonly carol: string };
    readonly memberAt: (server: string, token: string) => Promise<string | undefined>;
  }) => Promise<void>,
): Promise<void> {
  await using identity = await IdentityServer.open();
  await using universe = await Universe.open(['a.test', 'b.test', 'c.test'], identity.settings);
  const alice = await universe.world('a.test').register('alice');
  const tokens = {
    alice,
    bob: await universe.world('b.test').register('bob'),
    carol: await universe.world('b.test').register('carol'),
  };
  const options = { preset: 'private_chat', room_version: version };
  const room = (await universe.world('a.test').ok('POST', `${v3}/createRoom`, alice, options)).room_id as string;
  const wish = {
    id_server: identity.name,
    id_access_token: identityToken,
    medium: 'email',
    address: 'bob@example.org',
  };
  await universe.world('a.test').ok('POST', `${v3}/rooms/${enc(room)}/invite`, alice, wish);
  const memberAt = async (server: string, token: string) => {
    const path = `${v3}/rooms/${enc(room)}/state/m.room.member/${enc(bob)}`;
    return (await universe.world(server).call('GET', path, { token })).json.membership as string | undefined;
  };
  await work({ universe, identity, room, tokens, memberAt });
}

const onbind = (universe: Universe, identity: IdentityServer) =>
  universe
    .world('b.test')
    .call('PUT', '/_matrix/federation/v1/3pid/onbind', { body: identity.onbind(bob, ['token0']) });

const versions = ['1', '12'];

describe('an invite of an address that is a user of another server', () => {
  for (const version of versions) {
    it(`becomes one of the user through the server of who invited (version ${version})`, () =>
      scene(version, async ({ universe, identity, room, tokens, memberAt }) => {
        assert.equal((await onbind(universe, identity)).status, 200);
        await universe.until(async () => (await memberAt('a.test', tokens.alice)) === 'invite');
        const synced = await universe.world('b.test').ok('GET', `${v3}/sync`, tokens.bob);
        assert.ok(Object.hasOwn(synced.rooms.invite, room));
        await universe.world('b.test').ok('POST', `${v3}/join/${enc(room)}`, tokens.bob, {});
        await universe.until(async () => (await memberAt('a.test', tokens.alice)) === 'join');
      }));

    it(`is made by the user's server where that is in the room, and all others take it (version ${version})`, () =>
      scene(version, async ({ universe, identity, room, tokens, memberAt }) => {
        const [a, b, c] = ['a.test', 'b.test', 'c.test'].map((name) => universe.world(name));
        assert.ok(a && b && c);
        const dave = await c.register('dave');
        for (const [user, world, token] of [
          ['@carol:b.test', b, tokens.carol],
          ['@dave:c.test', c, dave],
        ] as const) {
          await a.ok('POST', `${v3}/rooms/${enc(room)}/invite`, tokens.alice, { user_id: user });
          await world.ok('POST', `${v3}/join/${enc(room)}`, token, {});
        }
        // Its state is complete before the address is told.
        await universe.until(async () => {
          const path = `${v3}/rooms/${enc(room)}/state/m.room.third_party_invite/token0`;
          return (await b.call('GET', path, { token: tokens.carol })).status === 200;
        });
        assert.equal((await onbind(universe, identity)).status, 200);
        assert.equal(await memberAt('b.test', tokens.carol), 'invite');
        assert.ok(!universe.calls.some(({ uri }) => uri.includes('exchange_third_party_invite')));
        await universe.until(async () => (await memberAt('a.test', tokens.alice)) === 'invite');
        await universe.until(async () => (await memberAt('c.test', dave)) === 'invite');
      }));
  }

  it('lets in who brings third_party_signed from a server that knows nothing of the room', () =>
    scene('12', async ({ universe, identity, room, tokens, memberAt }) => {
      const signed = identity.proof('token0', bob);
      const join = (body: unknown) =>
        universe.world('b.test').call('POST', `${v3}/join/${enc(room)}`, { token: tokens.bob, body });
      assert.equal((await join({ third_party_signed: { ...signed, x: 1 } })).json.errcode, 'M_FORBIDDEN');
      assert.equal((await join({ third_party_signed: signed })).status, 200);
      await universe.until(async () => (await memberAt('a.test', tokens.alice)) === 'join');
    }));

  it('stays what it is while nobody can be asked whether the key is still valid', () =>
    scene('12', async ({ universe, identity, tokens, memberAt }) => {
      identity.answers.set('pubkey/ephemeral/isvalid', [{ status: 500, body: {} }]);
      assert.equal((await onbind(universe, identity)).status, 200);
      assert.equal(await memberAt('a.test', tokens.alice), undefined);
      await onbind(universe, identity);
      await universe.until(async () => (await memberAt('a.test', tokens.alice)) === 'invite');
    }));
});
