import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Person } from '../support/clients/person.ts';
import { Follower, type SyncAnswer } from './follower.ts';
import { bothWays, Pair, type Side } from './pair.ts';
import { SharedRoom } from './shared-room.ts';

const versions = ['6', '9', '10', '11', '12'];

describe('Hearth and Synapse lose nothing of what happened without them', () => {
  let pair: Pair;
  let people: Record<Side, Person>;

  before(async () => {
    pair = await Pair.start();
    people = { Hearth: await pair.register('Hearth', 'hilda'), Synapse: await pair.register('Synapse', 'sven') };
  });

  after(() => pair[Symbol.asyncDispose]());

  function numbered(word: string, count: number): string[] {
    return Array.from({ length: count }, (_, n) => `${word} ${n}`);
  }

  for (const [there, here] of bothWays) {
    for (const version of versions) {
      it(`500 messages in a room of version ${version} on ${there} are read back by one who joins on ${here}`, async () => {
        const [host, guest] = [people[there], people[here]];
        const room = new SharedRoom(pair, await host.createRoom({ preset: 'public_chat', room_version: version }));
        const said = numbered('before', 500);
        for (const text of said) await host.say(room.id, text);
        await room.joined(guest, host);
        await room.sees(host, guest, 'join');
        await room.reads(guest, said, 30_000);
        await room.agreed([host, guest]);
      });
    }
  }

  for (const [off, up] of bothWays) {
    it(`100 messages and a new topic pass while ${off} is off`, async () => {
      const [absent, writer] = [people[off], people[up]];
      const room = await SharedRoom.open(pair, writer, [absent]);
      await writer.say(room.id, 'before');
      await room.reads(absent, ['before']);
      const client = await Follower.of(absent);
      const said = numbered('meanwhile', 100);
      await pair.without(off, async () => {
        for (const text of said.slice(0, 50)) await writer.say(room.id, text);
        await room.put(writer, 'm.room.topic', { topic: 'nobody was there' });
        for (const text of said.slice(50)) await writer.say(room.id, text);
      });
      await writer.say(room.id, 'after');
      await client.until('the room going on', (answer) => bodies(answer, room).find((body) => body === 'after'));
      await room.shows(absent, 'm.room.topic', '', ({ topic }) => topic === 'nobody was there');
      await room.reads(absent, ['before', ...said, 'after'], 30_000);
      await absent.say(room.id, 'there again');
      for (const person of [absent, writer]) await room.reads(person, ['before', ...said, 'after', 'there again']);
      await room.agreed([absent, writer]);
    });

    it(`what is said while ${off} hangs is there when it goes on`, async () => {
      const [absent, writer] = [people[off], people[up]];
      const room = await SharedRoom.open(pair, absent, [writer]);
      const said = numbered('hello?', 20);
      pair.freeze(off);
      try {
        for (const text of said) await writer.say(room.id, text);
      } finally {
        pair.thaw(off);
      }
      await room.reads(absent, said);
      await room.agreed([absent, writer]);
    });
  }

  describe('both write while they cannot reach each other', () => {
    const rooms = new Map<string, SharedRoom>();
    // Those that are in use both ways, older ones in turn.
    const older = ['1', '2', '3', '4', '5', '7', '8'].map((version, n) => [version, n % 2] as const);
    const kinds = [
      ...versions.flatMap((version) => bothWays.map(([there, here]) => ({ version, there, here }))),
      ...older.map(([version, n]) => ({
        version,
        there: bothWays[n]?.[0] ?? 'Hearth',
        here: bothWays[n]?.[1] ?? 'Synapse',
      })),
    ] as const;

    before(async () => {
      const { Hearth: hilda, Synapse: sven } = people;
      for (const { version, there, here } of kinds) {
        const [owner, other] = [people[there], people[here]];
        const options =
          version === '12'
            ? { creation_content: { additional_creators: [other.userId] } }
            : { power_level_content_override: { users: { [owner.userId]: 100, [other.userId]: 100 } } };
        const room = await SharedRoom.open(pair, owner, [other], { room_version: version, ...options });
        rooms.set(`${version} ${there}`, room);
      }
      const third = await pair.register('Hearth', 'hugo');
      for (const room of rooms.values()) {
        await room.joined(third, hilda);
        await room.sees(sven, third, 'join');
        await room.agreed([hilda, sven]);
      }
      pair.cut();
      for (const room of rooms.values()) {
        for (const [person, name] of [
          [hilda, 'Hearth'],
          [sven, 'Synapse'],
        ] as const) {
          for (let n = 0; n < 3; n++) await person.say(room.id, `${name} ${n}`);
          await room.put(person, 'm.room.topic', { topic: `as ${name} wants it` });
          await room.put(person, 'm.room.name', { name: `named by ${name}` });
          await room.put(person, 'org.example.own', { by: name }, name);
          const levels = await room.state(person, 'm.room.power_levels');
          await room.put(person, 'm.room.power_levels', { ...levels, [name === 'Hearth' ? 'kick' : 'ban']: 77 });
          await room.put(person, 'm.room.topic', { topic: `as ${name} wants it still` });
        }
        // One bans somebody who goes on writing on the other side, where nobody knows of it.
        await room.act(sven, 'ban', { user_id: third.userId });
        await third.call('PUT', room.path(`state/m.room.member/${encodeURIComponent(third.userId)}`), {
          membership: 'join',
          displayname: 'Still here',
        });
        await third.say(room.id, 'Who can hear me?');
      }
      pair.heal();
      for (const room of rooms.values()) for (const person of [hilda, sven]) await person.say(room.id, 'healed');
    });

    for (const { version, there } of kinds) {
      it(`and come to the same state in version ${version}, in a room of ${there}`, async () => {
        const { Hearth: hilda, Synapse: sven } = people;
        const room = rooms.get(`${version} ${there}`);
        assert.ok(room);
        const said = (texts: readonly string[]) => texts.toSorted().join();
        const all = [...numbered('Hearth', 3), ...numbered('Synapse', 3), 'healed', 'healed'];
        for (const person of [hilda, sven]) {
          await pair.eventually(`${person.name} reads both sides`, async () => {
            const texts = (await room.texts(person)).filter((text) => text !== 'Who can hear me?');
            return said(texts) === said(all) ? true : undefined;
          });
        }
        await room.agreed([hilda, sven]);
        for (const person of [hilda, sven]) {
          assert.deepEqual(await room.state(person, 'org.example.own', 'Hearth'), { by: 'Hearth' });
          assert.deepEqual(await room.state(person, 'org.example.own', 'Synapse'), { by: 'Synapse' });
        }
        // And go on from there.
        await room.put(hilda, 'm.room.topic', { topic: 'one topic' });
        await room.shows(sven, 'm.room.topic', '', ({ topic }) => topic === 'one topic');
        await room.put(sven, 'm.room.name', { name: 'one name' });
        await room.shows(hilda, 'm.room.name', '', ({ name }) => name === 'one name');
        await room.agreed([hilda, sven]);
      });
    }
  });

  it('Hearth is killed with messages that Synapse has not got yet', async () => {
    const { Hearth: hilda, Synapse: sven } = people;
    const room = await SharedRoom.open(pair, hilda, [sven]);
    const said = numbered('unsent', 10);
    // Synapse fills its rooms in after a join. When it is cut off from the others meanwhile, it shows no messages of
    // the room until it tries that again, minutes later.
    await room.agreed([hilda, sven]);
    pair.cut();
    for (const text of said) await hilda.say(room.id, text);
    await pair.without('Hearth', () => pair.heal(), 'SIGKILL');
    await room.reads(sven, said);
    await room.agreed([hilda, sven]);
  });

  it('Hearth gets a new signing key: rooms go on, and old events can be verified', async () => {
    const { Hearth: hilda, Synapse: sven } = people;
    const known = await SharedRoom.open(pair, hilda, [sven]);
    const unseen = new SharedRoom(pair, await hilda.createRoom({ preset: 'public_chat', name: 'signed by two keys' }));
    await unseen.send(hilda, 'm.room.message', { msgtype: 'm.text', body: 'by the old key' });
    await pair.rotateKey();
    await hilda.say(known.id, 'by the new key');
    await known.reads(sven, ['by the new key']);
    await hilda.say(unseen.id, 'by the new one');
    await unseen.joined(sven, hilda);
    await unseen.reads(sven, ['by the old key', 'by the new one']);
    const answer = await sven.say(unseen.id, 'I can read both');
    await unseen.has(hilda, answer);
    for (const room of [known, unseen]) await room.agreed([hilda, sven]);
  });
});

function bodies(answer: SyncAnswer, room: SharedRoom): unknown[] {
  return (answer.rooms?.join?.[room.id]?.timeline?.events ?? []).map(({ content }) => content['body']);
}
