import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { MatrixError } from '../../../src/protocol/errors.ts';
import { signEvent } from '../../../src/protocol/events/build.ts';
import type { Pdu } from '../../../src/protocol/events/pdu.ts';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import { rulesOf, type ScriptedServer } from '../../support/federation/scripted-server.ts';
import { Universe } from '../../support/servers/universe.ts';
import { Guest, isUnknown } from './joining-world.ts';

const inviteV2 = '/_matrix/federation/v2/invite/{}/{}';

/** The invite with the server's signature. */
const signed = (server: ScriptedServer, pdu: Pdu, version: string) =>
  signEvent(pdu, rulesOf(version), { serverName: server.name, key: server.key });

async function room(universe: Universe, version: string) {
  const server = universe.script('b.test');
  const alice = await Guest.register(universe.world('a.test'), 'alice');
  const roomId = await alice.createRoom({ room_version: version });
  const invite = () =>
    alice.call('POST', `/rooms/${encodeURIComponent(roomId)}/invite`, { user_id: server.user('bob') });
  const members = async () => {
    const { chunk } = await alice.ok('GET', `/rooms/${encodeURIComponent(roomId)}/members`);
    return chunk.map(({ state_key }: { state_key: string }) => state_key);
  };
  return { server, alice, roomId, invite, members };
}

describe('an invite of a user of another server', () => {
  it('goes the old way to a server that knows no other', async () => {
    await using universe = await Universe.open(['a.test']);
    const { server, invite, members } = await room(universe, '2');
    server.on('PUT', inviteV2, () => {
      throw new MatrixError(404, 'M_UNRECOGNIZED', 'what is this?');
    });
    server.on('PUT', '/_matrix/federation/v1/invite/{}/{}', ({ body }) => {
      assert.ok(body.unsigned.invite_room_state.length > 0);
      const answer = JSON.stringify([200, { event: signed(server, body, '2') }]);
      return {
        status: 200,
        headers: { 'Content-Type': 'application/json' },
        body: Readable.from([Buffer.from(answer)]),
      };
    });
    assert.equal((await invite()).status, 200);
    assert.ok((await members()).includes(server.user('bob')));
  });

  const lies: [what: string, change: (pdu: Pdu, server: ScriptedServer) => unknown][] = [
    ['without a signature', (pdu) => pdu],
    ['with another content', (pdu, server) => signed(server, { ...pdu, content: { membership: 'join' } }, '11')],
    ['as nothing', () => 7],
  ];
  for (const [what, change] of lies) {
    it(`that comes back ${what} does not come into the room`, async () => {
      await using universe = await Universe.open(['a.test']);
      const { server, invite, members } = await room(universe, '11');
      server.on('PUT', inviteV2, ({ body }) => ({ event: change(body.event, server) as never }));
      assert.equal((await invite()).status, 502);
      assert.ok(!(await members()).includes(server.user('bob')));
    });
  }

  it('shows the server events that it can verify', async () => {
    await using universe = await Universe.open(['a.test']);
    const { server, invite, members } = await room(universe, '12');
    server.on('PUT', inviteV2, ({ body }) => {
      const types = body.invite_room_state.map(({ type, signatures }: Pdu) => signatures && type);
      assert.ok(types.includes('m.room.create') && types.includes('m.room.join_rules'));
      assert.equal(body.room_version, '12');
      return { event: signed(server, body.event, '12') as never };
    });
    assert.equal((await invite()).status, 200);
    assert.ok((await members()).includes(server.user('bob')));
  });

  it('is passed on as a state event too, and a refusal with it', async () => {
    await using universe = await Universe.open(['a.test']);
    const { server, alice, roomId, members } = await room(universe, '12');
    server.on('PUT', inviteV2, () => {
      throw new MatrixError(403, 'M_FORBIDDEN', 'not with me');
    });
    const path = `/rooms/${encodeURIComponent(roomId)}/state/m.room.member/${encodeURIComponent(server.user('bob'))}`;
    const { status, json } = await alice.call('PUT', path, { membership: 'invite' });
    assert.deepEqual([status, json.errcode, json.error], [403, 'M_FORBIDDEN', 'not with me']);
    assert.ok(!(await members()).includes(server.user('bob')));
  });
});

describe('a room of another server', () => {
  const refusals: [status: number, errcode: string, told: string][] = [
    [403, 'M_FORBIDDEN', '403 M_FORBIDDEN'],
    [404, 'M_NOT_FOUND', '404 M_NOT_FOUND'],
    [400, 'M_INCOMPATIBLE_ROOM_VERSION', '400 M_INCOMPATIBLE_ROOM_VERSION'],
    [400, 'M_UNABLE_TO_AUTHORISE_JOIN', '403 M_FORBIDDEN'],
    [400, 'M_UNABLE_TO_GRANT_JOIN', '403 M_FORBIDDEN'],
    [401, 'M_UNKNOWN_TOKEN', '502 M_UNKNOWN'],
    [500, 'M_UNKNOWN', '502 M_UNKNOWN'],
  ];
  for (const half of ['make', 'send']) {
    for (const [status, errcode, told] of refusals) {
      it(`that answers ${status} ${errcode} to ${half}_join is told as ${told}`, async () => {
        await using universe = await Universe.open(['a.test']);
        const server = universe.script('b.test');
        const { roomId } = ScriptedRoom.create(server, '11').serve();
        const refuse = () => {
          throw new MatrixError(status, errcode as 'M_UNKNOWN', 'because');
        };
        if (half === 'make') server.on('GET', '/_matrix/federation/v1/make_join/{}/{}', refuse);
        else server.on('PUT', '/_matrix/federation/v2/send_join/{}/{}', refuse);
        const alice = await Guest.register(universe.world('a.test'), 'alice');
        const answer = await alice.join(roomId, ['b.test']);
        assert.equal(`${answer.status} ${answer.json.errcode}`, told);
        isUnknown(universe.world('a.test'), roomId);
      });
    }
  }

  it('may go on while it is being joined: what is sent meanwhile is not lost', async () => {
    await using universe = await Universe.open(['a.test']);
    const server = universe.script('b.test');
    const room = ScriptedRoom.create(server, '11').serve();
    const alice = await Guest.register(universe.world('a.test'), 'alice');
    const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>();
    server.on('PUT', '/_matrix/federation/v2/send_join/{}/{}', ({ body }) => {
      const eventId = room.take(body);
      const state = [...(room.entries.get(eventId)?.before.values() ?? [])].map((id) => room.pdu(id));
      const text = JSON.stringify({ event: body, state, auth_chain: state });
      async function* pieces() {
        yield Buffer.from(text.slice(0, 40));
        await mayEnd;
        yield Buffer.from(text.slice(40));
      }
      return { status: 200, headers: { 'Content-Type': 'application/json' }, body: Readable.from(pieces()) };
    });
    const joining = alice.join(room.roomId, ['b.test']);
    await universe.until(() => universe.calls.some(({ uri, status }) => uri.includes('/send_join/') && status === 200));
    const { pdu, eventId } = room.add({ type: 'm.room.message', content: { msgtype: 'm.text', body: 'meanwhile' } });
    const sending = server.send('a.test', [pdu]);
    await universe.until(() => universe.calls.some(({ uri }) => uri.includes('/send/')));
    end();
    assert.equal((await joining).status, 200);
    assert.deepEqual((await sending).json.pdus[eventId], {});
    const events = (await alice.sync()).rooms.join[room.roomId].timeline.events as { event_id: string }[];
    assert.equal(events.at(-1)?.event_id, eventId);
  });

  it('takes joins with the name, picture and reason of the user, and the old name of via', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = ScriptedRoom.create(universe.script('b.test'), '11').serve();
    const alice = await Guest.register(universe.world('a.test'), 'alice');
    await alice.ok('PUT', `/profile/${encodeURIComponent(alice.userId)}/displayname`, { displayname: 'Alice' });
    const path = `/join/${encodeURIComponent(room.roomId)}?server_name=b.test`;
    await alice.ok('POST', path, { reason: 'curious' });
    const join = room.pdu(room.current('m.room.member', alice.userId) as never);
    assert.deepEqual(join.content, { membership: 'join', displayname: 'Alice', reason: 'curious' });
  });
});
