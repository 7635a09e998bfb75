import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from '../../support/servers/world.ts';

/** @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3accountdeactivate */
describe('POST /account/deactivate with erase', () => {
  it('shows what the user sent redacted to those who join later, and as it was to those who were there', async () => {
    await using world = await World.open();
    const [alice, bob] = [await world.register('alice'), await world.register('bob')];
    const { room_id } = await world.ok('POST', '/_matrix/client/v3/createRoom', alice, { preset: 'public_chat' });
    const room = `/_matrix/client/v3/rooms/${encodeURIComponent(room_id as string)}`;
    await world.ok('POST', `${room}/join`, bob, {});
    await world.ok('PUT', `${room}/state/m.room.topic/`, alice, { topic: 'before' });
    const said = { msgtype: 'm.text', body: 'mine' };
    const { event_id: hers } = await world.ok('PUT', `${room}/send/m.room.message/1`, alice, said);
    const { event_id: his } = await world.ok('PUT', `${room}/send/m.room.message/1`, bob, said);
    await world.ok('PUT', `${room}/state/m.room.member/@bob:localhost`, bob, { membership: 'join', displayname: 'B' });

    const auth = {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: 'alice' },
      password: 'password of alice',
    };
    await world.ok('POST', '/_matrix/client/v3/account/deactivate', alice, { auth, erase: true });
    const carol = await world.register('carol');
    await world.ok('POST', `${room}/join`, carol, {});

    const body = async (token: string, event: string) =>
      (await world.ok('GET', `${room}/event/${encodeURIComponent(event)}`, token)).content.body;
    assert.equal(await body(bob, hers as string), 'mine');
    assert.equal(await body(carol, hers as string), undefined);
    assert.equal(await body(carol, his as string), 'mine');
    const history = await world.ok('GET', `${room}/messages?dir=b&limit=100`, carol);
    const topic = history.chunk.find((event: { type: string }) => event.type === 'm.room.topic');
    assert.deepEqual(topic.content, {});
    const sync = await world.ok('GET', '/_matrix/client/v3/sync?timeout=0', carol);
    const shown = sync.rooms.join[room_id as string].timeline.events.find(
      (event: { event_id: string }) => event.event_id === hers,
    );
    assert.deepEqual(shown?.content, {});
  });
});
