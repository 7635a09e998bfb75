import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { signEvent } from '../../../src/protocol/events/build.ts';
import type { Pdu } from '../../../src/protocol/events/pdu.ts';
import { asKeyId } from '../../../src/protocol/ids/key-id.ts';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import type { UserId } from '../../../src/protocol/ids/types.ts';
import { signJson } from '../../../src/protocol/signing/json.ts';
import { SigningKey } from '../../../src/protocol/signing/keys.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { rulesOf, type ScriptedServer } from '../../support/federation/scripted-server.ts';
import { Universe } from '../../support/servers/universe.ts';
import { type HostedRoom, host, own, setState } from './guests.ts';

const enc = encodeURIComponent;
const identityServer = asServerName('id.test');
const identityKey = new SigningKey(asKeyId('ed25519:0'), Buffer.alloc(32, 9));
const token = 'thetoken';

/** What the identity server says of whose the address is. */
const proof = (mxid: string, about = token): JsonObject =>
  signJson({ mxid, token: about }, identityServer, identityKey);

/** A room into which an address was invited. */
async function invited(universe: Universe): Promise<HostedRoom> {
  const room = await host(universe, '11', { preset: 'private_chat' });
  const key = identityKey.publicKeyBase64;
  const content = { display_name: 'c…@e…', public_key: key };
  await setState(
    universe,
    room,
    'm.room.third_party_invite',
    { ...content, public_keys: [{ public_key: key }] },
    token,
  );
  return room;
}

const partial = (room: HostedRoom, target: string, change: JsonObject = {}): JsonObject => ({
  type: 'm.room.member',
  room_id: room.roomId,
  sender: room.creator,
  state_key: target,
  content: { membership: 'invite', third_party_invite: { display_name: 'c', signed: proof(target) } },
  ...change,
});

const exchange = (server: ScriptedServer, room: HostedRoom, body: JsonObject) =>
  server.request(own, 'PUT', `/_matrix/federation/v1/exchange_third_party_invite/${enc(room.roomId)}`, body);

async function memberOf(universe: Universe, room: HostedRoom, user: string) {
  const path = `/_matrix/client/v3/rooms/${enc(room.roomId)}/state/m.room.member/${enc(user)}`;
  return (await universe.world(own).call('GET', path, { token: room.token })).json;
}

async function scene(work: (universe: Universe, server: ScriptedServer) => Promise<void>): Promise<void> {
  await using universe = await Universe.open([own]);
  const server = universe.script('b.test');
  server.on('PUT', '/_matrix/federation/v2/invite/{}/{}', ({ body }) => ({
    event: signEvent(body.event as Pdu, rulesOf(body.room_version), {
      serverName: server.name,
      key: server.key,
    }) as never,
  }));
  await work(universe, server);
}

describe('PUT /exchange_third_party_invite/{roomId}', () => {
  it('invites the user whose the address is', () =>
    scene(async (universe, server) => {
      const room = await invited(universe);
      const carol = server.user('carol');
      const { status, json } = await exchange(server, room, partial(room, carol));
      assert.deepEqual([status, json], [200, {}]);
      const member = await memberOf(universe, room, carol);
      assert.equal(member.membership, 'invite');
      assert.equal(member.third_party_invite.signed.mxid, carol);
    }));

  it('refuses what is not proved, or not for this server to say', () =>
    scene(async (universe, server) => {
      const room = await invited(universe);
      const carol = server.user('carol');
      const signedBy = (signed: JsonObject) => ({
        content: { membership: 'invite', third_party_invite: { display_name: 'c', signed } },
      });
      const table: [what: string, body: JsonObject, status: number, errcode: string][] = [
        ['another token', partial(room, carol, signedBy(proof(carol, 'x'))), 403, 'M_FORBIDDEN'],
        ['another user', partial(room, carol, signedBy(proof(server.user('dave')))), 403, 'M_FORBIDDEN'],
        ['no signature', partial(room, carol, signedBy({ mxid: carol, token })), 403, 'M_FORBIDDEN'],
        ['a sender elsewhere', partial(room, carol, { sender: server.user('x') }), 403, 'M_FORBIDDEN'],
        ['a user elsewhere', partial(room, '@x:c.test'), 403, 'M_FORBIDDEN'],
        ['another room', partial(room, carol, { room_id: '!x:a.test' }), 400, 'M_INVALID_PARAM'],
        ['no invite', partial(room, carol, { type: 'm.room.topic' }), 400, 'M_INVALID_PARAM'],
        ['no proof', partial(room, carol, { content: { membership: 'invite' } }), 400, 'M_INVALID_PARAM'],
      ];
      for (const [what, body, status, errcode] of table) {
        const answer = await exchange(server, room, body);
        assert.deepEqual([answer.status, answer.json.errcode], [status, errcode], what);
      }
      const unknown = { ...room, roomId: '!nowhere:a.test' };
      assert.equal((await exchange(server, unknown, partial(unknown, carol))).json.errcode, 'M_NOT_FOUND');
      assert.equal((await memberOf(universe, room, carol)).membership, undefined);
    }));
});

describe('PUT /3pid/onbind', () => {
  const bob = `@bob:${own}` as UserId;
  const bound = (mxid: string, invites: unknown): JsonObject =>
    ({ medium: 'email', address: 'bob@example.org', mxid, invites }) as JsonObject;
  const waiting = (room: { roomId: string }, sender: string, mxid: string = bob) => ({
    medium: 'email',
    address: 'bob@example.org',
    mxid,
    room_id: room.roomId,
    sender,
    signed: proof(mxid),
  });
  const call = (universe: Universe, body: JsonObject) =>
    universe.world(own).call('PUT', '/_matrix/federation/v1/3pid/onbind', { body });

  it('turns what waited here into an invite', () =>
    scene(async (universe) => {
      const room = await invited(universe);
      await universe.world(own).register('bob');
      const { status, json } = await call(universe, bound(bob, [{}, waiting(room, room.creator)]));
      assert.deepEqual([status, json], [200, {}]);
      assert.equal((await memberOf(universe, room, bob)).membership, 'invite');
    }));

  it('asks the server of who invited', () =>
    scene(async (universe, server) => {
      await universe.world(own).register('bob');
      const asked: unknown[] = [];
      server.on('PUT', '/_matrix/federation/v1/exchange_third_party_invite/{}', ({ body, params }) => {
        asked.push([params[0], body]);
        return {};
      });
      const there = { roomId: '!there:b.test' };
      const { status } = await call(universe, bound(bob, [waiting(there, server.user('alice'))]));
      assert.equal(status, 200);
      assert.deepEqual(asked, [
        [
          there.roomId,
          {
            type: 'm.room.member',
            room_id: there.roomId,
            sender: server.user('alice'),
            state_key: bob,
            content: { membership: 'invite', third_party_invite: { display_name: '', signed: proof(bob) } },
          },
        ],
      ]);
    }));

  it('is not believed without a proof, and is for users of this server', () =>
    scene(async (universe) => {
      const room = await invited(universe);
      await universe.world(own).register('bob');
      const forged = { ...waiting(room, room.creator), signed: { mxid: bob, token, signatures: {} } };
      assert.equal((await call(universe, bound(bob, [forged]))).status, 200);
      assert.equal((await memberOf(universe, room, bob)).membership, undefined);
      assert.equal((await call(universe, bound('@x:b.test', []))).json.errcode, 'M_FORBIDDEN');
      assert.equal((await call(universe, bound(`@nobody:${own}`, []))).json.errcode, 'M_FORBIDDEN');
      assert.equal((await call(universe, { mxid: bob })).json.errcode, 'M_BAD_JSON');
      const many = Array.from({ length: 21 }, () => ({}));
      assert.equal((await call(universe, bound(bob, many))).json.errcode, 'M_INVALID_PARAM');
    }));
});
