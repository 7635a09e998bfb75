import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from '../../support/servers/world.ts';

const enc = encodeURIComponent;

async function talk(world: World) {
  const alice = await world.register('alice');
  const { room_id: id } = await world.ok('POST', '/_matrix/client/v3/createRoom', alice, { preset: 'private_chat' });
  const sent: { id: string; ts: number }[] = [];
  for (let i = 0; i < 300; i++) {
    // Pauses of very different lengths.
    world.clock.advance(i % 50 === 0 ? 1_000_000 : 7);
    const path = `/_matrix/client/v3/rooms/${enc(id as string)}/send/m.room.message/${i}`;
    const { event_id: event } = await world.ok('PUT', path, alice, { body: `${i}` });
    sent.push({ id: event as string, ts: world.clock.now() });
  }
  const find = (token: string, query: string) =>
    world.call('GET', `/_matrix/client/v1/rooms/${enc(id as string)}/timestamp_to_event${query}`, { token });
  return { alice, id: id as string, sent, find };
}

describe('GET /rooms/{roomId}/timestamp_to_event', () => {
  it('finds the closest event in either direction', async () => {
    await using world = await World.open();
    const { alice, sent, find } = await talk(world);
    for (let i = 1; i + 1 < sent.length; i += 7) {
      const [here, next] = [sent[i], sent[i + 1]] as [{ id: string; ts: number }, { id: string; ts: number }];
      const found = async (ts: number, dir: string) => (await find(alice, `?ts=${ts}&dir=${dir}`)).json;
      assert.deepEqual(await found(here.ts, 'f'), { event_id: here.id, origin_server_ts: here.ts });
      assert.deepEqual(await found(here.ts, 'b'), { event_id: here.id, origin_server_ts: here.ts });
      assert.equal((await found(here.ts + 1, 'f')).event_id, next.id);
      assert.equal((await found(next.ts - 1, 'b')).event_id, here.id);
    }
    assert.equal((await find(alice, `?ts=${Number.MAX_SAFE_INTEGER}&dir=b`)).json.event_id, sent.at(-1)?.id);
    assert.equal((await find(alice, '?ts=0&dir=f')).status, 200);
  });

  it('is served under the name of its proposal, too', async () => {
    await using world = await World.open();
    const { alice, id, sent } = await talk(world);
    const path = `/_matrix/client/unstable/org.matrix.msc3030/rooms/${enc(id)}/timestamp_to_event`;
    const query = `?ts=${sent[9]?.ts}&dir=f`;
    assert.equal((await world.ok('GET', path + query, alice)).event_id, sent[9]?.id);
    for (const [token, wish, status, errcode] of [
      [undefined, query, 401, 'M_MISSING_TOKEN'],
      ['wrong', query, 401, 'M_UNKNOWN_TOKEN'],
      [await world.register('bob'), query, 403, 'M_FORBIDDEN'],
      [alice, '?dir=b', 400, 'M_MISSING_PARAM'],
      [alice, `?ts=${world.clock.now() + 1}&dir=f`, 404, 'M_NOT_FOUND'],
    ] as const) {
      const answer = await world.call('GET', path + wish, token === undefined ? {} : { token });
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode]);
    }
  });

  it('answers what a reader may see, and the errors', async () => {
    await using world = await World.open();
    const { alice, id, sent, find } = await talk(world);
    const state = `/_matrix/client/v3/rooms/${enc(id)}/state/m.room.history_visibility`;
    await world.ok('PUT', state, alice, { history_visibility: 'joined' });
    const bob = await world.register('bob');
    world.clock.advance(10);
    const last = sent.at(-1)?.ts ?? 0;
    assert.equal((await find(bob, `?ts=${last}&dir=f`)).status, 403);
    await world.ok('POST', `/_matrix/client/v3/rooms/${enc(id)}/invite`, alice, { user_id: '@bob:localhost' });
    await world.ok('POST', `/_matrix/client/v3/rooms/${enc(id)}/join`, bob, {});
    const own = (await find(bob, `?ts=${last + 1}&dir=f`)).json;
    assert.ok(own.origin_server_ts > last);
    for (const [query, status, errcode] of [
      [`?ts=${world.clock.now() + 1}&dir=f`, 404, 'M_NOT_FOUND'],
      ['?ts=0&dir=b', 404, 'M_NOT_FOUND'],
      ['?dir=b', 400, 'M_MISSING_PARAM'],
      ['?ts=1', 400, 'M_MISSING_PARAM'],
      ['?ts=x&dir=b', 400, 'M_INVALID_PARAM'],
      ['?ts=1&dir=x', 400, 'M_INVALID_PARAM'],
    ] as const) {
      const answer = await find(alice, query);
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode], query);
    }
  });
});
