import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { completeEvent } from '../../src/protocol/events/build.ts';
import type { EventId } from '../../src/protocol/ids/types.ts';
import type { JsonObject } from '../../src/util/json.ts';
import { rulesOf } from '../support/federation/scripted-server.ts';
import { type Deed, LargeRoomWorld } from '../support/rooms/large-room-world.ts';

const own = 'a.test';
const enc = encodeURIComponent;
const lazily = enc('{"room":{"timeline":{"limit":20},"state":{"lazy_load_members":true}}}');
const lazyContext = enc('{"lazy_load_members":true}');
/** Rounds of each, of which the first fill caches. */
const rounds = { first: 2, counted: 4 };
/** What is done now and then: a look at what a queue may forget, a name that fell out of a cache. */
const leeway = 4;

/** Somebody who follows the room with members loaded lazily. */
class Reader {
  readonly #large: LargeRoomWorld;
  readonly #token: string;
  #since = '';

  constructor(large: LargeRoomWorld, token: string) {
    this.#large = large;
    this.#token = token;
  }

  async sync(): Promise<void> {
    const answer = await this.#large.get(`/sync?timeout=0&filter=${lazily}${this.#since}`, this.#token);
    this.#since = `&since=${answer.next_batch}`;
  }
}

type Work = () => Promise<unknown>;

/** Everything that happens in a room again and again, by what it is. */
function deeds(large: LargeRoomWorld): Record<string, Work> {
  let nr = 0;
  let said: EventId | undefined;
  const { remote, creator } = large;
  const [one, two] = [large.person(0), large.person(1)];
  const state = (type: string, content: () => JsonObject): Work => {
    return () => large.does({ type, sender: creator, stateKey: '', content: content() });
  };
  const member = (deed: () => Pick<Deed, 'sender' | 'content'> & { readonly stateKey: string }): Work => {
    return () => large.does({ type: 'm.room.member', ...deed() });
  };
  const newcomer = () => remote.user(`new${++nr}`);
  const last = () => remote.user(`new${nr}`);
  return {
    'a message of ours': () => large.says(`${++nr}`),
    'a message of theirs': async () => {
      const content = { msgtype: 'm.text', body: `${++nr}` };
      said = await large.does({ type: 'm.room.message', sender: one, content });
    },
    'a redaction': () => {
      const redacts = said as EventId;
      return large.does({ type: 'm.room.redaction', sender: one, content: { redacts }, redacts });
    },
    'a new name': member(() => ({
      sender: two,
      stateKey: two,
      content: { membership: 'join', displayname: `${++nr}` },
    })),
    'a join': member(() => {
      const sender = newcomer();
      return { sender, stateKey: sender, content: { membership: 'join' } };
    }),
    'a leave': member(() => {
      const sender = last();
      nr--;
      return { sender, stateKey: sender, content: { membership: 'leave' } };
    }),
    'a ban': member(() => ({ sender: creator, stateKey: newcomer(), content: { membership: 'ban' } })),
    'power levels': state('m.room.power_levels', () => ({ users: { [creator]: 100 }, ban: 50 + (++nr % 40) })),
    'an ACL': state('m.room.server_acl', () => ({ allow: ['*'], deny: [`${++nr}.example`] })),
    'a topic': state('m.room.topic', () => ({ topic: `${++nr}` })),
    'an upgrade': state('m.room.tombstone', () => ({ body: 'gone', replacement_room: `!${++nr}:b.test` })),
    typing: () => large.tells('m.typing', { room_id: large.roomId, user_id: one, typing: ++nr % 2 === 0 }),
    'a receipt': () => {
      const receipt = { event_ids: [said as EventId], data: { ts: ++nr } };
      return large.tells('m.receipt', { [large.roomId]: { 'm.read': { [two]: receipt } } });
    },
    presence: () => large.tells('m.presence', { push: [{ user_id: one, presence: presenceOf(++nr) }] }),
    'a device list': () =>
      large.tells('m.device_list_update', { user_id: one, device_id: 'D', stream_id: ++nr, prev_id: [] }),
    'a first /sync': () => large.get(`/sync?timeout=0&filter=${lazily}`),
    'a context': () => large.get(`/rooms/${enc(large.roomId)}/context/${enc(said as EventId)}?filter=${lazyContext}`),
    'a join through us': () => joinThroughUs(large, newcomer()),
  };
}

const presenceOf = (nr: number) => (nr % 2 === 0 ? 'online' : 'unavailable');

/** By the handshake, without members in the answer. */
async function joinThroughUs({ remote, roomId }: LargeRoomWorld, user: string): Promise<void> {
  const room = enc(roomId);
  const make = `/_matrix/federation/v1/make_join/${room}/${enc(user)}?ver=11`;
  const { json } = await remote.request(own, 'GET', make);
  const event = completeEvent(json.event, rulesOf('11'), { serverName: remote.name, key: remote.key });
  const send = `/_matrix/federation/v2/send_join/${room}/${enc(event.eventId)}?omit_members=true`;
  const answer = await remote.request(own, 'PUT', send, event.pdu as unknown as JsonObject);
  assert.equal(answer.json.members_omitted, true);
}

/** Statements for each thing that happens, and for what our users' syncs ask because of it. */
async function statements(members: number): Promise<Map<string, number>> {
  await using large = await LargeRoomWorld.open(members);
  const readers = [new Reader(large, large.alice), new Reader(large, large.bob)];
  const follow = async () => {
    await large.rest();
    for (const reader of readers) await reader.sync();
    await large.rest();
  };
  const found = new Map<string, number>();
  let asked = 0;
  await follow();
  for (const [what, work] of Object.entries(deeds(large))) {
    for (let round = 0; round < rounds.first; round++) await work().then(follow);
    asked = 0;
    large.world.hs.db.timeQueries(() => asked++);
    for (let round = 0; round < rounds.counted; round++) await work().then(follow);
    large.world.hs.db.timeQueries(undefined);
    found.set(what, asked / rounds.counted);
  }
  return found;
}

describe('what happens in a room', () => {
  it('takes no more statements with 1,000 members than with 10', async () => {
    const [few, many] = [await statements(10), await statements(1000)];
    const grown = [...many].filter(([what, count]) => count > (few.get(what) ?? 0) + leeway);
    assert.deepEqual(grown, []);
  });
});
