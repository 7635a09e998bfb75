import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { JsonObject } from '../../../src/util/json.ts';
import { World } from '../../support/servers/world.ts';
import { IdentityServer, identityToken } from '../../support/stubs/identity-server.ts';

const v3 = '/_matrix/client/v3';
const enc = encodeURIComponent;

describe('invites of addresses', () => {
  let identity: IdentityServer;
  let world: World;
  let alice: string;
  let bob: string;
  let room: string;
  before(async () => {
    identity = await IdentityServer.open();
    world = await World.open(identity.settings);
    alice = await world.register('alice');
    bob = await world.register('bob');
  });
  beforeEach(async () => {
    identity.requests.length = 0;
    identity.bound.clear();
    identity.kept.clear();
    const options = { preset: 'private_chat', name: 'Kitchen', creation_content: { type: 'm.space' } };
    room = (await world.ok('POST', `${v3}/createRoom`, alice, options)).room_id as string;
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    await identity[Symbol.asyncDispose]();
  });

  const wish = (change: JsonObject = {}) => ({
    id_server: identity.name,
    id_access_token: identityToken,
    medium: 'email',
    address: 'Bob@Example.org',
    ...change,
  });
  const invite = (token: string | undefined, change: JsonObject = {}, where = room) =>
    world.call('POST', `${v3}/rooms/${enc(where)}/invite`, { ...(token ? { token } : {}), body: wish(change) });
  const state = async (type: string, key: string) =>
    (await world.call('GET', `${v3}/rooms/${enc(room)}/state/${type}/${enc(key)}`, { token: alice })).json;
  const membership = async (user: string) => (await state('m.room.member', user)).membership;

  describe('POST /rooms/{roomId}/invite', () => {
    it('invites the user whose the address is, without telling the address', async () => {
      identity.bound.set('email bob@example.org', '@bob:localhost');
      assert.equal((await invite(alice, { reason: 'come' })).status, 200);
      assert.deepEqual(identity.asked, ['GET hash_details', 'POST lookup']);
      assert.ok(!JSON.stringify(identity.requests).includes('example.org'));
      const member = await state('m.room.member', '@bob:localhost');
      assert.deepEqual([member.membership, member.reason], ['invite', 'come']);
    });

    it('has the identity server keep the invite of an address that is nobody’s', async () => {
      assert.equal((await invite(alice)).status, 200);
      assert.deepEqual(identity.asked, ['GET hash_details', 'POST lookup', 'POST store-invite']);
      assert.deepEqual(identity.requests[2]?.body, {
        medium: 'email',
        address: 'bob@example.org',
        room_id: room,
        sender: '@alice:localhost',
        room_name: 'Kitchen',
        room_type: 'm.space',
        room_join_rules: 'invite',
      });
      const content = await state('m.room.third_party_invite', 'token0');
      assert.equal(content.display_name, 'b…@e…');
      assert.equal(content.public_key, identity.key.publicKeyBase64);
      assert.equal(content.public_keys.length, 2);
    });

    it('asks again when the pepper has just changed, once', async () => {
      const stale = { status: 400, body: { errcode: 'M_INVALID_PEPPER', error: 'rotated' } };
      identity.answers.set('lookup', [stale]);
      identity.bound.set('email bob@example.org', '@bob:localhost');
      assert.equal((await invite(alice)).status, 200);
      assert.equal(await membership('@bob:localhost'), 'invite');
      identity.answers.set('lookup', [stale, stale]);
      assert.equal((await invite(alice)).status, 502);
    });

    it('asks nobody anything for who may not invite', async () => {
      assert.equal((await invite(bob)).json.errcode, 'M_FORBIDDEN');
      assert.equal((await invite(undefined)).json.errcode, 'M_MISSING_TOKEN');
      await world.ok('PUT', `${v3}/rooms/${enc(room)}/state/m.room.power_levels`, alice, { invite: 50 });
      await world.ok('POST', `${v3}/rooms/${enc(room)}/invite`, alice, { user_id: '@bob:localhost' });
      await world.ok('POST', `${v3}/rooms/${enc(room)}/join`, bob, {});
      assert.equal((await invite(bob)).json.errcode, 'M_FORBIDDEN');
      assert.deepEqual(identity.asked, []);
    });

    it('refuses by the errors of the specification', async () => {
      const table: [what: string, change: JsonObject, status: number, errcode: string][] = [
        ['no server', { id_server: 'no server' }, 400, 'M_INVALID_PARAM'],
        ['no medium', { medium: 'pigeon' }, 400, 'M_INVALID_PARAM'],
        ['no address', { address: 'bob' }, 400, 'M_INVALID_PARAM'],
        ['no number', { medium: 'msisdn', address: '+49' }, 400, 'M_INVALID_PARAM'],
        ['a token that would break the header', { id_access_token: 'a\nb' }, 400, 'M_INVALID_PARAM'],
        ['a wrong type', { address: 1 }, 400, 'M_BAD_JSON'],
        ['a private address', { id_server: '10.0.0.1' }, 400, 'M_SERVER_NOT_TRUSTED'],
        ['a dead one', { id_server: '127.0.0.1:1' }, 502, 'M_UNKNOWN'],
        ['a token that the identity server does not know', { id_access_token: 'x' }, 403, 'M_FORBIDDEN'],
      ];
      for (const [what, change, status, errcode] of table) {
        const answer = await invite(alice, change);
        assert.deepEqual([answer.status, answer.json.errcode], [status, errcode], what);
      }
      const { id_access_token: _, ...rest } = wish();
      const path = `${v3}/rooms/${enc(room)}/invite`;
      assert.equal((await world.call('POST', path, { token: alice, body: rest })).json.errcode, 'M_MISSING_PARAM');
      assert.equal((await invite(alice, {}, '!no:localhost')).status, 403);
    });

    it('takes nothing from an identity server that makes no sense', async () => {
      const ok = (body: JsonObject) => [{ status: 200, body }];
      const terms = { errcode: 'M_TERMS_NOT_SIGNED', error: 'sign' };
      const key = { public_key: 'x', key_validity_url: 'https://a.test' };
      const table: [path: string, answers: { status: number; body: JsonObject }[], status: number, code: string][] = [
        ['hash_details', [{ status: 403, body: terms }], 403, 'M_TERMS_NOT_SIGNED'],
        ['hash_details', ok({ lookup_pepper: 'x', algorithms: ['none'] }), 502, 'M_UNKNOWN'],
        ['hash_details', ok({ algorithms: ['sha256'] }), 502, 'M_UNKNOWN'],
        ['hash_details', ok({ lookup_pepper: 'x'.repeat(70_000), algorithms: ['sha256'] }), 502, 'M_UNKNOWN'],
        ['store-invite', ok({ token: 'ä', display_name: 'x', public_keys: [key] }), 502, 'M_UNKNOWN'],
        ['store-invite', ok({ token: 'a', display_name: 'x', public_keys: [] }), 502, 'M_UNKNOWN'],
        ['store-invite', ok({ token: 'a', public_keys: [key] }), 502, 'M_UNKNOWN'],
        ['store-invite', [{ status: 500, body: {} }], 502, 'M_UNKNOWN'],
      ];
      for (const [path, answers, status, errcode] of table) {
        identity.answers.set(path, [...answers]);
        const answer = await invite(alice);
        assert.deepEqual([answer.status, answer.json.errcode], [status, errcode], answer.text);
      }
      identity.bound.set('email bob@example.org', 'bob');
      assert.equal((await invite(alice)).status, 502);
    });
  });

  describe('what becomes of them', () => {
    it('an invite of the user, when the identity server tells whose the address is', async () => {
      await invite(alice);
      const bound = { body: identity.onbind('@bob:localhost', ['token0']) };
      assert.equal((await world.call('PUT', '/_matrix/federation/v1/3pid/onbind', bound)).status, 200);
      assert.equal(identity.asked.at(-1), 'GET pubkey/ephemeral/isvalid');
      const member = await state('m.room.member', '@bob:localhost');
      assert.equal(member.membership, 'invite');
      assert.equal(member.third_party_invite.display_name, 'b…@e…');
      await world.ok('POST', `${v3}/rooms/${enc(room)}/join`, bob, {});
      // The same proof again does not put a member back to being invited.
      assert.equal((await world.call('PUT', '/_matrix/federation/v1/3pid/onbind', bound)).status, 200);
      assert.equal(await membership('@bob:localhost'), 'join');
    });

    it('none where an invite was taken back', async () => {
      await invite(alice);
      await world.ok('PUT', `${v3}/rooms/${enc(room)}/state/m.room.third_party_invite/token0`, alice, {});
      const body = { third_party_signed: identity.proof('token0', '@bob:localhost') };
      const answer = await world.call('POST', `${v3}/rooms/${enc(room)}/join`, { token: bob, body });
      assert.deepEqual([answer.status, answer.json.errcode], [403, 'M_FORBIDDEN']);
    });

    it('none where the key was revoked meanwhile', async () => {
      await invite(alice);
      identity.isRevoked = true;
      const bound = { body: identity.onbind('@bob:localhost', ['token0']) };
      assert.equal((await world.call('PUT', '/_matrix/federation/v1/3pid/onbind', bound)).status, 200);
      assert.equal(await membership('@bob:localhost'), undefined);
      const signed = identity.proof('token0', '@bob:localhost');
      const join = { token: bob, body: { third_party_signed: signed } };
      assert.equal((await world.call('POST', `${v3}/rooms/${enc(room)}/join`, join)).json.errcode, 'M_FORBIDDEN');
      identity.isRevoked = false;
    });

    for (const path of ['join/{}', 'rooms/{}/join']) {
      it(`POST /${path.replace('{}', '{roomId}')} lets in who brings third_party_signed`, async () => {
        await invite(alice);
        const url = `${v3}/${path.replace('{}', enc(room))}`;
        const join = (token: string, signed: unknown) =>
          world.call('POST', url, { token, body: { third_party_signed: signed } });
        const signed = identity.proof('token0', '@bob:localhost');
        const table: [what: string, signed: unknown, status: number, errcode: string][] = [
          ['nothing', undefined, 403, 'M_FORBIDDEN'],
          ['for another', identity.proof('token0', '@carol:localhost'), 403, 'M_FORBIDDEN'],
          ['about another invite', identity.proof('token9', '@bob:localhost'), 400, 'M_BAD_JSON'],
          ['of another sender', { ...signed, sender: '@carol:localhost' }, 403, 'M_FORBIDDEN'],
          ['changed', { ...signed, more: 1 }, 403, 'M_FORBIDDEN'],
          ['no signatures', { ...signed, signatures: undefined }, 400, 'M_BAD_JSON'],
          ['no object', 'yes', 400, 'M_BAD_JSON'],
        ];
        for (const [what, given, status, errcode] of table) {
          const answer = await join(bob, given);
          assert.deepEqual([answer.status, answer.json.errcode], [status, errcode], what);
        }
        assert.equal((await join(bob, signed)).status, 200);
        assert.equal(await membership('@bob:localhost'), 'join');
        // Once in, it is not looked at again.
        identity.requests.length = 0;
        assert.equal((await join(bob, signed)).status, 200);
        assert.deepEqual(identity.asked, []);
      });
    }

    it('nothing for who is banned', async () => {
      await invite(alice);
      await world.ok('POST', `${v3}/rooms/${enc(room)}/ban`, alice, { user_id: '@bob:localhost' });
      const signed = identity.proof('token0', '@bob:localhost');
      const join = { token: bob, body: { third_party_signed: signed } };
      assert.equal((await world.call('POST', `${v3}/rooms/${enc(room)}/join`, join)).json.errcode, 'M_FORBIDDEN');
    });
  });

  describe('POST /createRoom with invite_3pid', () => {
    it('invites the users and the addresses', async () => {
      identity.bound.set('msisdn 4912345', '@bob:localhost');
      const invites = [wish({ medium: 'msisdn', address: '4912345' }), wish({ address: 'carol@example.org' })];
      const body = { invite_3pid: invites, is_direct: true };
      room = (await world.ok('POST', `${v3}/createRoom`, alice, body)).room_id as string;
      const member = await state('m.room.member', '@bob:localhost');
      assert.deepEqual([member.membership, member.is_direct], ['invite', true]);
      assert.equal((await state('m.room.third_party_invite', 'token0')).display_name, 'b…@e…');
    });

    it('makes the room although the identity server does not answer', async () => {
      const body = { invite_3pid: [wish({ id_server: '127.0.0.1:1' })] };
      assert.equal((await world.call('POST', `${v3}/createRoom`, { token: alice, body })).status, 200);
    });

    it('refuses what is no address, and too many of them', async () => {
      const create = (invites: unknown) =>
        world.call('POST', `${v3}/createRoom`, { token: alice, body: { invite_3pid: invites } });
      assert.equal((await create([wish({ medium: 'x' })])).json.errcode, 'M_INVALID_PARAM');
      assert.equal((await create([{}])).json.errcode, 'M_MISSING_PARAM');
      assert.equal((await create('x')).json.errcode, 'M_BAD_JSON');
      assert.equal((await create(Array.from({ length: 21 }, () => wish()))).json.errcode, 'M_INVALID_PARAM');
    });
  });
});
