import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { signEvent } from '../../../src/protocol/events/build.ts';
import { eventIdOf } from '../../../src/protocol/events/hashes.ts';
import type { Pdu } from '../../../src/protocol/events/pdu.ts';
import { readEvent } from '../../../src/protocol/events/read.ts';
import type { RoomId, UserId } from '../../../src/protocol/ids/types.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { rulesOf, type ScriptedServer } from '../../support/federation/scripted-server.ts';
import { Universe } from '../../support/servers/universe.ts';
import { allVersions, complete, type HostedRoom, handIn, host, join, make, own, setState, versions } from './guests.ts';

const enc = encodeURIComponent;

type Answer = { status: number; json: { errcode?: string } };
const said = ({ status, json }: Answer) => [status, json.errcode];

async function scene(work: (universe: Universe, server: ScriptedServer) => Promise<void>): Promise<void> {
  await using universe = await Universe.open([own]);
  await work(universe, universe.script('b.test'));
}

/** A member event by the sender's choice, where it goes by itself in a template. */
async function forged(server: ScriptedServer, kind: string, room: HostedRoom, user: UserId, change: JsonObject) {
  const { json } = await make(server, kind, room, user);
  return complete(server, { ...json.event, ...change }, room.version);
}

async function membershipOf(universe: Universe, room: HostedRoom, user: UserId): Promise<string | undefined> {
  const path = `/_matrix/client/v3/rooms/${enc(room.roomId)}/state/m.room.member/${enc(user)}`;
  const { json } = await universe.world(own).call('GET', path, { token: room.token });
  return json.membership as string | undefined;
}

describe('the join handshake', () => {
  for (const version of versions) {
    it(`lets a user of another server in (room version ${version})`, () =>
      scene(async (universe, server) => {
        const room = await host(universe, version);
        const carol = server.user('carol');
        const { json, status } = await make(server, 'join', room, carol);
        assert.equal(status, 200, JSON.stringify(json));
        assert.equal(json.room_version, version);
        const template = json.event;
        assert.equal(template.type, 'm.room.member');
        assert.equal(template.sender, carol);
        assert.equal(template.state_key, carol);
        assert.equal(template.room_id, room.roomId);
        assert.deepEqual(template.content, { membership: 'join' });
        for (const key of ['hashes', 'signatures', 'event_id', 'unsigned']) assert.equal(key in template, false, key);
        const refs = [...template.prev_events, ...template.auth_events];
        const asPairs = rulesOf(version).refsAsPairs;
        for (const ref of refs) assert.equal(Array.isArray(ref) && typeof ref[1].sha256 === 'string', asPairs);

        const event = complete(server, template, version);
        const answer = await handIn(server, 'v2/send_join', room, event);
        assert.equal(answer.status, 200, JSON.stringify(answer.json));
        const { state, auth_chain: chain, origin, members_omitted: omitted } = answer.json;
        assert.equal(origin, own);
        assert.equal(omitted, false);
        assert.deepEqual(answer.json.event, event.pdu);
        const types = state.map(({ type }: { type: string }) => type);
        for (const type of ['m.room.create', 'm.room.member', 'm.room.power_levels', 'm.room.join_rules']) {
          assert.ok(types.includes(type), type);
        }
        // Every event cited by what came is in what came.
        const ids = new Set<string>();
        for (const pdu of [...state, ...chain]) {
          const read = readEvent(pdu, rulesOf(version));
          assert.ok(read.ok);
          assert.ok(read.event.contentHashMatches);
          ids.add(read.event.eventId);
        }
        for (const pdu of [...state, ...chain, event.pdu]) {
          for (const ref of pdu.auth_events) assert.ok(ids.has(Array.isArray(ref) ? ref[0] : ref));
        }
        assert.equal(await membershipOf(universe, room, carol), 'join');
        // The answer was lost: the same again.
        const again = await handIn(server, 'v2/send_join', room, event);
        assert.deepEqual([again.status, again.json.state.length], [200, state.length]);
      }));
  }

  it('answers in a list at the old address', () =>
    scene(async (universe, server) => {
      const room = await host(universe, '2');
      const { json } = await make(server, 'join', room, server.user('carol'));
      const event = complete(server, json.event, '2');
      const answer = await handIn(server, 'v1/send_join', room, event);
      assert.equal(answer.json[0], 200);
      assert.deepEqual(answer.json[1].event, event.pdu);
    }));

  it('is passed on to the other servers in the room, with our signature where it has one', () =>
    scene(async (universe, server) => {
      const room = await host(universe, '11');
      const other = universe.script('c.test');
      const heard: unknown[] = [];
      other.on('PUT', '/_matrix/federation/v1/send/{}', ({ body }) => {
        heard.push(...body.pdus);
        return { pdus: {} };
      });
      await join(other, room, other.user('dave'));
      const { event } = await join(server, room, server.user('carol'));
      await universe.until(() => heard.some((pdu) => isDeepStrictEqual(pdu, event.pdu)), 'the join at c.test');
    }));

  it('goes on from as many ends of the room as an event may cite', () =>
    scene(async (universe, server) => {
      const room = await host(universe, '11');
      const { event, answer } = await join(server, room, server.user('carol'));
      const rules = rulesOf('11');
      const idOf = (type: string) =>
        eventIdOf(
          answer.state.find((pdu: JsonObject) => pdu['type'] === type),
          rules,
        );
      const said = Array.from({ length: 25 }, (_, n) =>
        server.event(
          {
            type: 'm.room.message',
            sender: server.user('carol'),
            roomId: event.pdu.room_id as RoomId,
            content: { body: `${n}` },
            prevEvents: [event.eventId],
            authEvents: [idOf('m.room.create'), idOf('m.room.power_levels'), event.eventId],
            depth: event.pdu.depth + 1,
            originServerTs: universe.clock.now() + n,
          },
          '11',
        ),
      );
      const sent = await server.send(
        own,
        said.map(({ pdu }) => pdu),
      );
      assert.deepEqual(Object.values(sent.json.pdus), Array(25).fill({}));
      const made = await make(server, 'join', room, server.user('erin'));
      assert.equal(made.json.event.prev_events.length, 20);
      await join(server, room, server.user('erin'));
      assert.equal(await membershipOf(universe, room, server.user('erin')), 'join');
    }));

  it('leaves members out for who asks for that', () =>
    scene(async (universe, server) => {
      const room = await host(universe, '11', { name: 'A name' });
      const other = universe.script('c.test');
      await join(other, room, other.user('dave'));
      const { answer } = await join(server, room, server.user('carol'), '?omit_members=true');
      assert.equal(answer.members_omitted, true);
      const state = answer.state as { type: string }[];
      assert.ok(state.every(({ type }) => type !== 'm.room.member'));
      assert.deepEqual([...answer.servers_in_room].sort(), [own, 'c.test']);
      // What vouches for the join is in the auth chain.
      const chain = answer.auth_chain as { type: string }[];
      assert.ok(chain.some(({ type }) => type === 'm.room.member'));
    }));

  it('is for servers that know the room version', () =>
    scene(async (universe, server) => {
      const room = await host(universe, '10');
      const carol = server.user('carol');
      const answer = await make(server, 'join', room, carol, 'ver=9&ver=11');
      assert.deepEqual(said(answer), [400, 'M_INCOMPATIBLE_ROOM_VERSION']);
      assert.equal(answer.json.room_version, '10');
      // Without a list it is room version 1.
      assert.deepEqual(said(await make(server, 'join', room, carol, '')), [400, 'M_INCOMPATIBLE_ROOM_VERSION']);
      const first = await host(universe, '1');
      assert.equal((await make(server, 'join', first, carol, '')).status, 200);
    }));

  it('is for own users only, in rooms that are known', () =>
    scene(async (universe, server) => {
      const room = await host(universe, '11');
      assert.deepEqual(said(await make(server, 'join', room, '@carol:c.test' as UserId)), [403, 'M_FORBIDDEN']);
      assert.deepEqual(said(await make(server, 'join', room, 'carol' as UserId)), [400, 'M_INVALID_PARAM']);
      const unknown = { ...room, roomId: '!nowhere:a.test' };
      assert.deepEqual(said(await make(server, 'join', unknown, server.user('carol'))), [404, 'M_NOT_FOUND']);
    }));

  it('is refused to who may not come in', () =>
    scene(async (universe, server) => {
      const room = await host(universe, '11', { preset: 'private_chat' });
      assert.deepEqual(said(await make(server, 'join', room, server.user('carol'))), [403, 'M_FORBIDDEN']);
      const open = await host(universe, '10');
      const event = await forged(server, 'join', open, server.user('carol'), {});
      await setState(universe, open, 'm.room.join_rules', { join_rule: 'invite' });
      assert.deepEqual(said(await handIn(server, 'v2/send_join', open, event)), [403, 'M_FORBIDDEN']);
      assert.equal(await membershipOf(universe, open, server.user('carol')), undefined);
    }));

  it('is refused to servers that the ACL of the room keeps out', () =>
    scene(async (universe, server) => {
      const room = await host(universe, '11');
      const event = await forged(server, 'join', room, server.user('carol'), {});
      await setState(universe, room, 'm.room.server_acl', { allow: ['*'], deny: ['b.test'] });
      for (const kind of ['join', 'leave', 'knock']) {
        assert.deepEqual(said(await make(server, kind, room, server.user('carol'))), [403, 'M_FORBIDDEN'], kind);
      }
      for (const path of ['v1/send_join', 'v2/send_join', 'v1/send_leave', 'v2/send_leave', 'v1/send_knock']) {
        assert.deepEqual(said(await handIn(server, path, room, event)), [403, 'M_FORBIDDEN'], path);
      }
    }));

  it('takes nothing but a join of the sender, signed by the sender’s server', () =>
    scene(async (universe, server) => {
      const room = await host(universe, '11');
      const carol = server.user('carol');
      const foreign = universe.script('evil.test');
      const rest: [what: string, change: JsonObject][] = [
        ['another type', { type: 'm.room.topic' }],
        ['another membership', { content: { membership: 'ban' } }],
        ['another user', { state_key: server.user('dave') }],
        ['a user of another server', { sender: '@x:evil.test', state_key: '@x:evil.test' }],
        ['another room', { room_id: '!other:a.test' }],
        ['no event', { depth: 'x' }],
      ];
      for (const [what, change] of rest) {
        let event: Awaited<ReturnType<typeof forged>>;
        try {
          event = await forged(server, 'join', room, carol, change);
        } catch {
          const good = await forged(server, 'join', room, carol, {});
          event = { ...good, pdu: { ...good.pdu, ...change } };
        }
        assert.deepEqual(said(await handIn(server, 'v2/send_join', room, event)), [400, 'M_INVALID_PARAM'], what);
      }
      const good = await forged(server, 'join', room, carol, {});
      const elsewhere = { ...good, eventId: `$${'A'.repeat(43)}` as typeof good.eventId };
      assert.deepEqual(said(await handIn(server, 'v2/send_join', room, elsewhere)), [400, 'M_INVALID_PARAM']);
      const signatures = { 'b.test': { 'ed25519:s1': 'A'.repeat(86) } };
      const unsigned = { ...good, pdu: { ...good.pdu, signatures } };
      assert.deepEqual(said(await handIn(server, 'v2/send_join', room, unsigned)), [400, 'M_INVALID_PARAM']);
      // A signed event of somebody else, handed in by a third.
      assert.deepEqual(said(await handIn(foreign, 'v2/send_join', room, good)), [400, 'M_INVALID_PARAM']);
      assert.equal(await membershipOf(universe, room, carol), undefined);
    }));
});

describe('restricted joins', () => {
  async function restricted(universe: Universe, version = '11', rule = 'restricted', more: JsonObject = {}) {
    const room = await host(universe, version, { preset: 'private_chat' });
    const world = universe.world(own);
    const made = await world.ok('POST', '/_matrix/client/v3/createRoom', room.token, {
      preset: 'public_chat',
      room_version: version,
    });
    const other: HostedRoom = { ...room, roomId: made.room_id };
    const allow = [{ type: 'm.room_membership', room_id: other.roomId }, ...((more['allow'] as JsonObject[]) ?? [])];
    await setState(universe, room, 'm.room.join_rules', { join_rule: rule, allow });
    return { room, other };
  }

  for (const [version, rule] of [
    ['8', 'restricted'],
    ['9', 'restricted'],
    ['10', 'knock_restricted'],
    ['11', 'restricted'],
    ['12', 'knock_restricted'],
  ] as const) {
    it(`have our word and our signature (room version ${version}, ${rule})`, () =>
      scene(async (universe, server) => {
        const { room, other } = await restricted(universe, version, rule);
        const carol = server.user('carol');
        assert.deepEqual(said(await make(server, 'join', room, carol)), [403, 'M_FORBIDDEN']);
        await join(server, other, carol);
        const { event, answer } = await join(server, room, carol);
        assert.equal(event.pdu.content['join_authorised_via_users_server'], room.creator);
        const { signatures, ...rest } = answer.event;
        const { signatures: theirs, ...sent } = event.pdu;
        assert.deepEqual(rest, sent);
        assert.deepEqual(signatures['b.test'], theirs['b.test']);
        assert.equal(Object.keys(signatures[own]).length, 1);
        assert.equal(await membershipOf(universe, room, carol), 'join');
      }));
  }

  it('are not vouched for where a condition cannot be told', () =>
    scene(async (universe, server) => {
      const allow = [{ type: 'm.room_membership', room_id: '!unknown:b.test' }];
      const { room } = await restricted(universe, '11', 'restricted', { allow });
      const answer = await make(server, 'join', room, server.user('carol'));
      assert.deepEqual(said(answer), [400, 'M_UNABLE_TO_AUTHORISE_JOIN']);
    }));

  it('are not vouched for where nobody here may invite', () =>
    scene(async (universe, server) => {
      const { room, other } = await restricted(universe, '11');
      await join(server, other, server.user('carol'));
      await setState(universe, room, 'm.room.power_levels', { users: { [room.creator]: 50 }, invite: 75 });
      const answer = await make(server, 'join', room, server.user('carol'));
      assert.deepEqual(said(answer), [400, 'M_UNABLE_TO_GRANT_JOIN']);
    }));

  it('are not vouched for once the conditions are met no more', () =>
    scene(async (universe, server) => {
      const { room, other } = await restricted(universe, '11');
      const carol = server.user('carol');
      await join(server, other, carol);
      const event = await forged(server, 'join', room, carol, {});
      const path = `/_matrix/client/v3/rooms/${enc(other.roomId)}/kick`;
      await universe.world(own).ok('POST', path, room.token, { user_id: carol });
      assert.deepEqual(said(await handIn(server, 'v2/send_join', room, event)), [403, 'M_FORBIDDEN']);
      // Nor where the rule is another one by now.
      await setState(universe, room, 'm.room.join_rules', { join_rule: 'invite' });
      assert.deepEqual(said(await handIn(server, 'v2/send_join', room, event)), [403, 'M_FORBIDDEN']);
    }));

  it('in the name of somebody who is not in the room are no joins', () =>
    scene(async (universe, server) => {
      const { room, other } = await restricted(universe, '11');
      const carol = server.user('carol');
      await join(server, other, carol);
      const content = { membership: 'join', join_authorised_via_users_server: `@nobody:${own}` };
      const event = await forged(server, 'join', room, carol, { content });
      assert.deepEqual(said(await handIn(server, 'v2/send_join', room, event)), [400, 'M_INVALID_PARAM']);
    }));
});

describe('the leave handshake', () => {
  for (const path of ['v2/send_leave', 'v1/send_leave']) {
    it(`lets a user take back a knock (${path})`, () =>
      scene(async (universe, server) => {
        const room = await host(universe, '11', { preset: 'private_chat' });
        await setState(universe, room, 'm.room.join_rules', { join_rule: 'knock' });
        const carol = server.user('carol');
        await handIn(server, 'v1/send_knock', room, await forged(server, 'knock', room, carol, {}));
        assert.equal(await membershipOf(universe, room, carol), 'knock');
        const made = await make(server, 'leave', room, carol, '');
        assert.equal(made.status, 200, JSON.stringify(made.json));
        assert.deepEqual(made.json.event.content, { membership: 'leave' });
        const event = complete(server, made.json.event, room.version);
        const answer = await handIn(server, path, room, event);
        assert.deepEqual([answer.status, answer.json], [200, path.startsWith('v1') ? [200, {}] : {}]);
        assert.equal(await membershipOf(universe, room, carol), 'leave');
      }));
  }

  it('lets a user decline an invite', () =>
    scene(async (universe, server) => {
      const room = await host(universe, '12', { preset: 'private_chat' });
      const carol = server.user('carol');
      server.on('PUT', '/_matrix/federation/v2/invite/{}/{}', ({ body }) => {
        const signer = { serverName: server.name, key: server.key };
        return { event: signEvent(body.event as Pdu, rulesOf('12'), signer) as unknown as JsonObject };
      });
      const invite = `/_matrix/client/v3/rooms/${enc(room.roomId)}/invite`;
      await universe.world(own).ok('POST', invite, room.token, { user_id: carol });
      const made = await make(server, 'leave', room, carol, '');
      const event = complete(server, made.json.event as JsonObject, '12');
      assert.equal((await handIn(server, 'v2/send_leave', room, event)).status, 200);
      assert.equal(await membershipOf(universe, room, carol), 'leave');
    }));

  it('is for who is invited, in the room or knocking', () =>
    scene(async (universe, server) => {
      const room = await host(universe, '11');
      assert.deepEqual(said(await make(server, 'leave', room, server.user('carol'))), [403, 'M_FORBIDDEN']);
      assert.deepEqual(said(await make(server, 'leave', room, '@carol:c.test' as UserId)), [403, 'M_FORBIDDEN']);
      const { event } = await join(server, room, server.user('carol'));
      assert.deepEqual(said(await handIn(server, 'v2/send_leave', room, event)), [400, 'M_INVALID_PARAM']);
    }));
});

describe('the knock handshake', () => {
  for (const version of versions.slice(6)) {
    it(`shows the room to who knocks (room version ${version})`, () =>
      scene(async (universe, server) => {
        const room = await host(universe, version, { name: 'Inside', topic: 'Nothing for strangers' });
        await setState(universe, room, 'm.room.join_rules', { join_rule: 'knock' });
        const carol = server.user('carol');
        const event = await forged(server, 'knock', room, carol, { content: { membership: 'knock', reason: 'hello' } });
        const { status, json } = await handIn(server, 'v1/send_knock', room, event);
        assert.equal(status, 200, JSON.stringify(json));
        const types = json.knock_room_state.map(({ type }: { type: string }) => type).sort();
        assert.deepEqual(types, ['m.room.create', 'm.room.join_rules', 'm.room.name', 'm.room.topic']);
        for (const pdu of json.knock_room_state) assert.ok(readEvent(pdu, rulesOf(version)).ok);
        assert.equal(await membershipOf(universe, room, carol), 'knock');
      }));
  }

  it('is refused where nobody may knock', () =>
    scene(async (universe, server) => {
      const carol = server.user('carol');
      for (const version of ['6', '7', '12']) {
        const room = await host(universe, version);
        assert.deepEqual(said(await make(server, 'knock', room, carol)), [403, 'M_FORBIDDEN'], version);
      }
      const room = await host(universe, '11');
      const answer = await make(server, 'knock', room, carol, 'ver=7');
      assert.deepEqual(said(answer), [400, 'M_INCOMPATIBLE_ROOM_VERSION']);
      assert.deepEqual(said(await make(server, 'knock', room, carol, '')), [400, 'M_MISSING_PARAM']);
      assert.ok(allVersions.includes('ver=12'));
    }));
});
