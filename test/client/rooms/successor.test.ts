import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from '../../support/servers/world.ts';

const v3 = '/_matrix/client/v3';
const enc = encodeURIComponent;

describe('who joins the room that has replaced another', () => {
  for (const version of ['10', '12']) {
    it(`finds tags, push rules and direct chats of the old one there (version ${version})`, async () => {
      await using world = await World.open();
      const [alice, bob] = [await world.register('alice'), await world.register('bob')];
      const create = await world.ok('POST', `${v3}/createRoom`, alice, { preset: 'public_chat' });
      const old = create.room_id as string;
      await world.ok('POST', `${v3}/join/${enc(old)}`, bob, {});
      const user = `${v3}/user/@bob:localhost`;
      await world.ok('PUT', `${user}/rooms/${enc(old)}/tags/m.favourite`, bob, { order: 0.5 });
      await world.ok('PUT', `${user}/account_data/m.direct`, bob, { '@alice:localhost': [old], '@x:y': ['!z:y'] });
      await world.ok('PUT', `${v3}/pushrules/global/room/${enc(old)}`, bob, { actions: [] });
      const conditions = [{ kind: 'event_match', key: 'room_id', pattern: old }];
      await world.ok('PUT', `${v3}/pushrules/global/override/${enc(old)}`, bob, { conditions, actions: [] });
      const upgraded = await world.ok('POST', `${v3}/rooms/${enc(old)}/upgrade`, alice, { new_version: version });
      const room = upgraded.replacement_room as string;
      await world.ok('POST', `${v3}/join/${enc(room)}`, bob, {});
      const { tags } = await world.ok('GET', `${user}/rooms/${enc(room)}/tags`, bob);
      assert.deepEqual(tags, { 'm.favourite': { order: 0.5 } });
      const direct = await world.ok('GET', `${user}/account_data/m.direct`, bob);
      assert.deepEqual(direct, { '@alice:localhost': [old, room], '@x:y': ['!z:y'] });
      const rule = await world.ok('GET', `${v3}/pushrules/global/room/${enc(room)}`, bob);
      assert.deepEqual(rule.actions, []);
      const override = await world.ok('GET', `${v3}/pushrules/global/override/${enc(room)}`, bob);
      assert.deepEqual(override.conditions, [{ kind: 'event_match', key: 'room_id', pattern: room }]);
    });
  }

  it('finds nothing where the old room does not say so', async () => {
    await using world = await World.open();
    const [alice, bob] = [await world.register('alice'), await world.register('bob')];
    const { room_id: old } = await world.ok('POST', `${v3}/createRoom`, bob, {});
    await world.ok('PUT', `${v3}/user/@bob:localhost/rooms/${enc(old as string)}/tags/m.favourite`, bob, {});
    const { room_id: room } = await world.ok('POST', `${v3}/createRoom`, alice, {
      preset: 'public_chat',
      creation_content: { predecessor: { room_id: old } },
    });
    await world.ok('POST', `${v3}/join/${enc(room as string)}`, bob, {});
    const { tags } = await world.ok('GET', `${v3}/user/@bob:localhost/rooms/${enc(room as string)}/tags`, bob);
    assert.deepEqual(tags, {});
  });
});

describe('messages of ignored users', () => {
  it('are left out of /messages and /context, their state is not', async () => {
    await using world = await World.open();
    const [alice, bob] = [await world.register('alice'), await world.register('bob')];
    const create = await world.ok('POST', `${v3}/createRoom`, alice, { preset: 'public_chat' });
    const room = create.room_id as string;
    await world.ok('POST', `${v3}/join/${enc(room)}`, bob, {});
    const send = (token: string, txn: string) =>
      world.ok('PUT', `${v3}/rooms/${enc(room)}/send/m.room.message/${txn}`, token, { msgtype: 'm.text', body: txn });
    await send(bob, 'b1');
    const { event_id: mine } = await send(alice, 'a1');
    await send(bob, 'b2');
    const list = { ignored_users: { '@bob:localhost': {} } };
    await world.ok('PUT', `${v3}/user/@alice:localhost/account_data/m.ignored_user_list`, alice, list);
    type Shown = { type: string; sender: string; content: { body?: string } };
    const bodies = (chunk: Shown[]) => chunk.flatMap(({ content }) => content.body ?? []);
    const { chunk } = await world.ok('GET', `${v3}/rooms/${enc(room)}/messages?dir=b&limit=100`, alice);
    assert.deepEqual(bodies(chunk), ['a1']);
    assert.ok((chunk as Shown[]).some(({ type, sender }) => type === 'm.room.member' && sender === '@bob:localhost'));
    const context = await world.ok('GET', `${v3}/rooms/${enc(room)}/context/${enc(mine as string)}`, alice);
    assert.deepEqual(bodies([...context.events_before, ...context.events_after]), []);
    const all = await world.ok('GET', `${v3}/rooms/${enc(room)}/messages?dir=b&limit=100`, bob);
    assert.deepEqual(bodies(all.chunk), ['b2', 'a1', 'b1']);
  });
});
