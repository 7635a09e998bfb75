import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runOperation } from '../../src/admin/operations.ts';
import { World } from '../support/servers/world.ts';

const v3 = '/_matrix/client/v3';
const enc = encodeURIComponent;
const open = () => World.open({ server_notices: { enabled: true, room_name: 'From the server' } });
const send = (world: World, input: unknown) => runOperation(world.hs.admin, 'notice/send', input);

async function invites(world: World, token: string): Promise<string[]> {
  const { rooms } = await world.ok('GET', `${v3}/sync`, token);
  return Object.keys(rooms?.invite ?? {});
}

describe('server notices', () => {
  it('come in one room, to which the user is invited and which has its tag', async () => {
    await using world = await open();
    const alice = await world.register('alice');
    assert.deepEqual(await send(world, { user: 'alice', text: 'Hello' }), { sent: 1 });
    await send(world, { user: 'alice', text: 'Again' });
    const [room, ...more] = await invites(world, alice);
    assert.ok(room !== undefined && more.length === 0);
    const { tags } = await world.ok('GET', `${v3}/user/@alice:localhost/rooms/${enc(room)}/tags`, alice);
    assert.deepEqual(tags, { 'm.server_notice': {} });
    await world.ok('POST', `${v3}/join/${enc(room)}`, alice, {});
    const { chunk } = await world.ok('GET', `${v3}/rooms/${enc(room)}/messages?dir=b&limit=50`, alice);
    type Shown = { type: string; sender: string; content: { msgtype: string; body: string } };
    const said = (chunk as Shown[]).filter(({ type }) => type === 'm.room.message');
    assert.deepEqual(
      said.map(({ sender, content }) => [sender, content.msgtype, content.body]),
      [
        ['@notices:localhost', 'm.server_notice', 'Again'],
        ['@notices:localhost', 'm.server_notice', 'Hello'],
      ],
    );
    const talk = await world.call('PUT', `${v3}/rooms/${enc(room)}/send/m.room.message/1`, {
      token: alice,
      body: { msgtype: 'm.text', body: 'hm' },
    });
    assert.equal(talk.json.errcode, 'M_FORBIDDEN');
  });

  it('cannot be declined; who has joined may leave and is invited again', async () => {
    await using world = await open();
    const alice = await world.register('alice');
    await send(world, { user: 'alice', text: 'Hello' });
    const [room] = (await invites(world, alice)) as [string];
    const leave = () => world.call('POST', `${v3}/rooms/${enc(room)}/leave`, { token: alice, body: {} });
    const declined = await leave();
    assert.deepEqual([declined.status, declined.json.errcode], [403, 'M_CANNOT_LEAVE_SERVER_NOTICE_ROOM']);
    await world.ok('POST', `${v3}/join/${enc(room)}`, alice, {});
    assert.equal((await leave()).status, 200);
    await send(world, { user: 'alice', text: 'Come back' });
    assert.deepEqual(await invites(world, alice), [room]);
  });

  it('go to everybody, and to nobody who is not there', async () => {
    await using world = await open();
    const people = [await world.register('alice'), await world.register('bob')];
    await send(world, { user: 'alice', text: 'first' });
    assert.deepEqual(await send(world, { text: 'to all' }), { sent: 2 });
    for (const token of people) assert.equal((await invites(world, token)).length, 1);
    await assert.rejects(send(world, { user: 'nobody', text: 'x' }), { code: 'not_found' });
  });

  it('are off unless the admin wants them', async () => {
    await using world = await World.open();
    await world.register('alice');
    await assert.rejects(send(world, { user: 'alice', text: 'x' }), { code: 'bad_input' });
  });
});
