import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from '../support/servers/world.ts';

/**
 * What a message costs is mostly what it asks of the database, and that creeps up with every feature that looks at each
 * event. Who exceeds a bound here should let the statement be remembered (`Database.remember`), or ask later or less often.
 */
const bounds = {
  /** One message to a room of ten local users, all of it: authorised, committed, counted, noted for followers. */
  send: 21,
  /** What each of the ten asks to hear of it. */
  sync: 2.8,
  /** A /sync without news. */
  empty: 1.2,
};

const users = 10;
const rounds = 20;
const filter = encodeURIComponent('{"room":{"timeline":{"limit":100},"state":{"lazy_load_members":true}}}');

/** People in a room of their own, who have all said something and seen that. */
async function gather(world: World, otherRooms: number) {
  const tokens: string[] = [];
  for (let i = 0; i < users; i++) tokens.push(await world.register(`user${i}`));
  const [first = ''] = tokens;
  const open = async () => {
    const { room_id } = await world.ok('POST', '/_matrix/client/v3/createRoom', first, { preset: 'public_chat' });
    const path = `/_matrix/client/v3/join/${encodeURIComponent(room_id as string)}`;
    for (const token of tokens.slice(1, otherRooms > 0 ? 2 : users)) await world.ok('POST', path, token, {});
    return encodeURIComponent(room_id as string);
  };
  for (let i = 0; i < otherRooms; i++) await open();
  const room = await open();
  const since = new Map<string, string>();
  let txn = 0;
  const say = (token: string) => {
    const path = `/_matrix/client/v3/rooms/${room}/send/m.room.message/t${txn++}`;
    return world.ok('PUT', path, token, { msgtype: 'm.text', body: `message ${txn}` });
  };
  const sync = async () => {
    let events = 0;
    for (const token of tokens) {
      const from = since.get(token);
      const query = `timeout=0&filter=${filter}${from === undefined ? '' : `&since=${from}`}`;
      const answer = await world.ok('GET', `/_matrix/client/v3/sync?${query}`, token);
      since.set(token, answer.next_batch as string);
      for (const { timeline } of Object.values<{ timeline: { events: [] } }>(answer.rooms?.join ?? {})) {
        events += timeline.events.length;
      }
    }
    return events;
  };
  for (const token of tokens.slice(0, otherRooms > 0 ? 2 : users)) await say(token);
  await sync();
  await sync();
  return { first, say, sync };
}

/** Statements for each round. */
async function count(world: World, round: () => Promise<unknown>): Promise<number> {
  let asked = 0;
  world.hs.db.timeQueries(() => asked++);
  for (let i = 0; i < rounds; i++) await round();
  world.hs.db.timeQueries(undefined);
  return asked / rounds;
}

describe('the number of statements', () => {
  it(`for a message is at most ${bounds.send}, for each who hears it ${bounds.sync}, without news ${bounds.empty}`, async () => {
    await using world = await World.open();
    const { first, say, sync } = await gather(world, 0);
    const send = await count(world, () => say(first));
    assert.ok(send <= bounds.send, `a message took ${send} statements`);
    assert.equal(await sync(), rounds * users);
    const both = await count(world, async () => {
      await say(first);
      assert.equal(await sync(), users);
    });
    const withNews = (both - send) / users;
    assert.ok(withNews <= bounds.sync, `a /sync with a message took ${withNews} statements`);
    const empty = (await count(world, sync)) / users;
    assert.ok(empty <= bounds.empty, `a /sync without news took ${empty} statements`);
  });

  it('for an incremental /sync does not depend on the number of rooms', async () => {
    const costs: number[] = [];
    for (const otherRooms of [1, 30]) {
      await using world = await World.open();
      const { first, say, sync } = await gather(world, otherRooms);
      await say(first);
      costs.push(await count(world, async () => (await say(first), await sync())));
    }
    const [few = 0, many = 0] = costs;
    assert.ok(many <= few + 1, `${few} with 2 rooms, ${many} with 31`);
  });
});
