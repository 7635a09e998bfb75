import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Person } from '../support/clients/person.ts';
import { picturePng } from '../support/pictures.ts';
import { bothWays, Pair, type Side } from './pair.ts';
import { type RoomEvent, SharedRoom } from './shared-room.ts';

const enc = encodeURIComponent;
const v3 = '/_matrix/client/v3';

interface FoundRoom {
  readonly room_id: string;
  readonly name?: string;
  readonly topic?: string;
  readonly num_joined_members: number;
  readonly room_type?: string;
  readonly children_state?: readonly RoomEvent[];
}

describe('people of Hearth and of Synapse find what the other server has', () => {
  let pair: Pair;
  let people: Record<Side, Person>;

  before(async () => {
    pair = await Pair.start();
    people = { Hearth: await pair.register('Hearth', 'hilda'), Synapse: await pair.register('Synapse', 'sven') };
    // Each knows the other's keys from here on.
    await SharedRoom.open(pair, people.Hearth, [people.Synapse]);
    await SharedRoom.open(pair, people.Synapse, [people.Hearth]);
  });

  after(() => pair[Symbol.asyncDispose]());

  async function upload(side: Side, type: string, name: string, content: Buffer): Promise<string> {
    const answer = await fetch(`${pair.url(side)}/_matrix/media/v3/upload?filename=${enc(name)}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${people[side].token}`, 'content-type': type },
      body: new Uint8Array(content),
    });
    assert.equal(answer.status, 200);
    const { content_uri } = (await answer.json()) as { content_uri: string };
    return content_uri.slice('mxc://'.length);
  }

  async function media(side: Side, path: string): Promise<{ status: number; headers: Headers; body: Buffer }> {
    const answer = await fetch(`${pair.url(side)}/_matrix/client/v1/media/${path}`, {
      headers: { authorization: `Bearer ${people[side].token}` },
    });
    return { status: answer.status, headers: answer.headers, body: Buffer.from(await answer.arrayBuffer()) };
  }

  for (const [here, there] of bothWays) {
    it(`profiles of ${there}, asked for on ${here}`, async () => {
      const [reader, shown] = [people[here], people[there]];
      const mxc = `mxc://${pair.names[there]}/face`;
      const path = `${v3}/profile/${enc(shown.userId)}`;
      await shown.call('PUT', `${path}/displayname`, { displayname: `The one of ${there} 🐝` });
      await shown.call('PUT', `${path}/avatar_url`, { avatar_url: mxc });
      const profile = await reader.call('GET', path);
      assert.equal(profile['displayname'], `The one of ${there} 🐝`);
      assert.equal(profile['avatar_url'], mxc);
      assert.deepEqual(await reader.call('GET', `${path}/avatar_url`), { avatar_url: mxc });
      const nobody = `${v3}/profile/${enc(`@nobody:${pair.names[there]}`)}`;
      await assert.rejects(reader.call('GET', nobody), /404.*M_NOT_FOUND/);
    });

    it(`a changed name of ${there} in the rooms that ${here} shares`, async () => {
      const [reader, shown] = [people[here], people[there]];
      const room = await SharedRoom.open(pair, reader, [shown]);
      await shown.call('PUT', `${v3}/profile/${enc(shown.userId)}/displayname`, { displayname: 'Renamed' });
      await room.shows(reader, 'm.room.member', shown.userId, ({ displayname }) => displayname === 'Renamed');
    });

    it(`public rooms of ${there}, asked for on ${here}, page by page and by a word`, async () => {
      const [reader, host] = [people[here], people[there]];
      const ids: string[] = [];
      for (const n of [1, 2, 3]) {
        const options = {
          preset: 'public_chat',
          visibility: 'public',
          name: `Garden ${n}`,
          topic: `bed ${n} of ${there}`,
        };
        ids.push(await host.createRoom(options));
      }
      await host.createRoom({ preset: 'public_chat', visibility: 'public', name: 'Cellar' });
      const rooms = `${v3}/publicRooms?server=${enc(pair.names[there])}`;
      const walk = async (): Promise<FoundRoom[]> => {
        const found: FoundRoom[] = [];
        let since: string | undefined;
        do {
          const from = since === undefined ? '' : `&since=${enc(since)}`;
          const page = (await reader.call('GET', `${rooms}&limit=2${from}`)) as {
            chunk: FoundRoom[];
            next_batch?: string;
          };
          assert.ok(page.chunk.length <= 2);
          found.push(...page.chunk);
          since = page.next_batch;
        } while (since !== undefined);
        return found;
      };
      const found = await pair.eventually('all rooms in the directory', async () => {
        const listed = await walk();
        return ids.every((id) => listed.some(({ room_id, name }) => room_id === id && name !== undefined))
          ? listed
          : undefined;
      });
      for (const [n, id] of ids.entries()) {
        const room = found.find(({ room_id }) => room_id === id);
        assert.equal(room?.name, `Garden ${n + 1}`);
        assert.equal(room.num_joined_members, 1);
      }
      const search = { filter: { generic_search_term: `bed 2 of ${there}` }, limit: 10 };
      const { chunk } = (await reader.call('POST', rooms, search)) as { chunk: FoundRoom[] };
      assert.deepEqual(
        chunk.map(({ room_id }) => room_id),
        [ids[1]],
      );
    });

    it(`a space of ${here} with a room of ${there} in it, from both sides`, async () => {
      const [host, other] = [people[here], people[there]];
      const inside = await other.createRoom({ preset: 'public_chat', name: `Inside ${there}` });
      const hidden = await other.createRoom({ preset: 'private_chat', name: 'Nobody sees this' });
      const creation_content = { type: 'm.space' };
      const spaceId = await host.createRoom({ preset: 'public_chat', name: 'House', creation_content });
      const space = new SharedRoom(pair, spaceId);
      const own = await host.createRoom({ preset: 'public_chat', name: `Inside ${here}` });
      for (const [id, side] of [
        [inside, there],
        [hidden, there],
        [own, here],
      ] as const) {
        await space.put(host, 'm.space.child', { via: [pair.names[side]] }, id);
      }
      await space.joined(other, host);
      for (const person of [host, other]) {
        const listed = await pair.eventually(`the rooms of the space for ${person.name}`, async () => {
          const { rooms } = (await person.call('GET', `/_matrix/client/v1/rooms/${enc(spaceId)}/hierarchy`)) as {
            rooms: FoundRoom[];
          };
          return rooms.length >= 3 ? rooms : undefined;
        });
        const names = new Map(listed.map(({ room_id, name }) => [room_id, name]));
        assert.equal(names.get(inside), `Inside ${there}`);
        assert.equal(names.get(own), `Inside ${here}`);
        // Only those who are inside are told of the hidden one.
        assert.equal(names.get(hidden), person === other ? 'Nobody sees this' : undefined);
        assert.equal(listed[0]?.room_type, 'm.space');
        assert.equal(listed[0]?.children_state?.length, 3);
      }
    });

    it(`files of ${there}, loaded on ${here}, whole and small`, async () => {
      const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, n) => (n * 31) & 255));
      const file = await upload(there, 'application/pdf', 'Bücher.pdf', bytes);
      const loaded = await media(here, `download/${file}`);
      assert.equal(loaded.status, 200);
      assert.equal(loaded.headers.get('content-type'), 'application/pdf');
      assert.match(loaded.headers.get('content-disposition') ?? '', /B%C3%BCcher\.pdf/i);
      assert.ok(loaded.body.equals(bytes));

      const picture = await upload(there, 'image/png', 'bee.png', picturePng(600, 400));
      const small = await media(here, `thumbnail/${picture}?width=96&height=96&method=crop`);
      assert.equal(small.status, 200);
      assert.match(small.headers.get('content-type') ?? '', /^image\//);
      assert.ok(small.body.length > 100 && small.body.length < 20_000, `${small.body.length} bytes`);
      const missing = await media(here, `download/${pair.names[there]}/nothingHere`);
      assert.equal(missing.status, 404);
    });
  }
});
