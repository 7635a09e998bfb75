import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Person } from '../support/clients/person.ts';
import { bothWays, Pair, type Side } from './pair.ts';
import { type RoomEvent, SharedRoom } from './shared-room.ts';

const versions = Array.from({ length: 12 }, (_, n) => String(n + 1));

describe('people on Hearth and on Synapse talk to each other', () => {
  let pair: Pair;
  let people: Record<Side, Person>;

  before(async () => {
    pair = await Pair.start();
    people = { Hearth: await pair.register('Hearth', 'hilda'), Synapse: await pair.register('Synapse', 'sven') };
  });

  after(() => pair[Symbol.asyncDispose]());

  for (const version of versions) {
    for (const [there, here] of bothWays) {
      it(`in a room of version ${version} on ${there} that the one on ${here} joins`, async () => {
        const [host, guest] = [people[there], people[here]];
        const room = await SharedRoom.open(pair, host, [guest], { room_version: version });
        const hello = await host.say(room.id, 'Hello');
        await room.has(guest, hello);
        const answer = await guest.say(room.id, 'Hello to you');
        await room.has(host, answer);
        for (const person of [host, guest]) await room.reads(person, ['Hello', 'Hello to you']);
        await room.agreed([host, guest]);
      });

      it(`and take back what they said, or what others said, in a room of version ${version} on ${there}`, async () => {
        const [host, guest] = [people[there], people[here]];
        const room = await SharedRoom.open(pair, host, [guest], { room_version: version });
        for (const [author, remover, reader] of [
          [host, host, guest],
          [guest, guest, host],
          [guest, host, guest],
        ] as const) {
          const said = await author.say(room.id, 'Nobody must read this');
          await room.has(reader, said);
          await room.has(remover, said);
          const redaction = await room.redact(remover, said, 'it is a secret');
          const emptied = await pair.eventually('the redaction', async () => {
            const event = await room.event(reader, said);
            return Object.keys(event.content).length === 0 ? event : undefined;
          });
          const because = emptied.unsigned?.['redacted_because'] as RoomEvent;
          assert.equal(because.event_id, redaction);
          assert.equal(because.content['reason'], 'it is a secret');
        }
        const said = await host.say(room.id, 'This stays');
        await room.has(guest, said);
        await assert.rejects(room.redact(guest, said, 'I do not like it'), /M_FORBIDDEN/);
      });
    }
  }

  for (const [here, there] of bothWays) {
    it(`with topic, name, avatar and state of their own, set on ${here}`, async () => {
      const [writer, reader] = [people[here], people[there]];
      const room = await SharedRoom.open(pair, writer, [reader]);
      for (const [type, key, content] of [
        ['m.room.name', '', { name: 'Kitchen' }],
        ['m.room.topic', '', { topic: 'Who cooks?' }],
        ['m.room.avatar', '', { url: `mxc://${pair.names[here]}/abc` }],
        ['org.example.shelf', 'küche/links', { jars: 3, deep: { list: [1, null, true, 'ä'] } }],
      ] as const) {
        const set = await room.put(writer, type, content, key);
        await room.has(reader, set);
        assert.deepEqual(await room.state(reader, type, key), content);
      }
      await room.put(writer, 'm.room.topic', { topic: 'Who washes up?' });
      await room.shows(reader, 'm.room.topic', '', ({ topic }) => topic === 'Who washes up?');
      await room.agreed([writer, reader]);
    });

    it(`with edits, reactions, replies and threads, written on ${here}`, async () => {
      const [writer, reader] = [people[here], people[there]];
      const room = await SharedRoom.open(pair, reader, [writer]);
      const start = await writer.say(room.id, 'Soop');
      await room.send(writer, 'm.room.message', {
        msgtype: 'm.text',
        body: '* Soup',
        'm.new_content': { msgtype: 'm.text', body: 'Soup' },
        'm.relates_to': { rel_type: 'm.replace', event_id: start },
      });
      await room.has(reader, start);
      const like = await room.send(writer, 'm.reaction', {
        'm.relates_to': { rel_type: 'm.annotation', event_id: start, key: '👍' },
      });
      const threaded = await writer.say(room.id, 'Which one?', {
        'm.relates_to': { rel_type: 'm.thread', event_id: start },
      });
      await room.has(reader, threaded);
      const reply = await reader.say(room.id, 'Tomato', {
        'm.relates_to': { rel_type: 'm.thread', event_id: start, 'm.in_reply_to': { event_id: threaded } },
      });
      for (const person of [reader, writer]) {
        await room.has(person, like);
        await room.has(person, reply);
        const { unsigned } = await room.event(person, start);
        const relations = unsigned?.['m.relations'] as {
          'm.replace': RoomEvent;
          'm.thread': { count: number; latest_event: RoomEvent };
        };
        assert.deepEqual(
          relations['m.replace'].content['m.new_content'],
          { msgtype: 'm.text', body: 'Soup' },
          person.name,
        );
        assert.equal(relations['m.thread'].count, 2);
        assert.equal(relations['m.thread'].latest_event.event_id, reply);
        const path = `/_matrix/client/v1/rooms/${encodeURIComponent(room.id)}/relations/${encodeURIComponent(start)}/m.annotation`;
        const { chunk } = (await person.call('GET', path)) as { chunk: RoomEvent[] };
        assert.deepEqual(
          chunk.map(({ event_id }) => event_id),
          [like],
        );
        const threads = `/_matrix/client/v1/rooms/${encodeURIComponent(room.id)}/threads`;
        const listed = (await person.call('GET', threads)) as { chunk: RoomEvent[] };
        assert.deepEqual(
          listed.chunk.map(({ event_id }) => event_id),
          [start],
        );
      }
    });
  }
});
