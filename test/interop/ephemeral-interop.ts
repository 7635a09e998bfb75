import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Person } from '../support/clients/person.ts';
import { Follower, type SyncAnswer } from './follower.ts';
import { bothWays, Pair, type Side } from './pair.ts';
import { SharedRoom } from './shared-room.ts';

const enc = encodeURIComponent;

type Receipts = Record<string, Record<string, Record<string, { ts: number; thread_id?: string }>>>;

describe('people of Hearth and of Synapse notice each other', () => {
  let pair: Pair;
  let people: Record<Side, Person>;
  let room: SharedRoom;

  before(async () => {
    pair = await Pair.start();
    people = { Hearth: await pair.register('Hearth', 'hilda'), Synapse: await pair.register('Synapse', 'sven') };
    room = await SharedRoom.open(pair, people.Hearth, [people.Synapse]);
  });

  after(() => pair[Symbol.asyncDispose]());

  function ephemeral(answer: SyncAnswer, type: string): Record<string, unknown> | undefined {
    return answer.rooms?.join?.[room.id]?.ephemeral?.events.find((event) => event.type === type)?.content;
  }

  for (const [here, there] of bothWays) {
    it(`typing on ${here} is seen on ${there}, and its end`, async () => {
      const [writer, reader] = [people[here], people[there]];
      const client = await Follower.of(reader);
      const path = room.path(`typing/${enc(writer.userId)}`);
      const typing = (answer: SyncAnswer) => ephemeral(answer, 'm.typing')?.['user_ids'] as string[] | undefined;
      await writer.call('PUT', path, { typing: true, timeout: 20_000 });
      await client.until('typing', (answer) => (typing(answer)?.includes(writer.userId) === true ? true : undefined));
      await writer.call('PUT', path, { typing: false });
      await client.until('its end', (answer) => (typing(answer)?.includes(writer.userId) === false ? true : undefined));
    });

    it(`what is read on ${here} is marked on ${there}, in a thread and outside`, async () => {
      const [reader, writer] = [people[here], people[there]];
      const client = await Follower.of(writer);
      const start = await writer.say(room.id, 'Read this');
      const inThread = await writer.say(room.id, 'And this', {
        'm.relates_to': { rel_type: 'm.thread', event_id: start },
      });
      await room.has(reader, inThread);
      for (const [event, thread] of [
        [start, undefined],
        [start, 'main'],
        [inThread, start],
      ] as const) {
        const body = thread === undefined ? {} : { thread_id: thread };
        await reader.call('POST', room.path(`receipt/m.read/${enc(event)}`), body);
        const receipt = await client.until(`the receipt in ${thread}`, (answer) => {
          const found = (ephemeral(answer, 'm.receipt') as Receipts | undefined)?.[event]?.['m.read']?.[reader.userId];
          return found?.thread_id === thread ? found : undefined;
        });
        assert.ok(receipt.ts > 0);
      }
    });

    it(`a private receipt of ${here} stays there`, async () => {
      const [reader, writer] = [people[here], people[there]];
      const client = await Follower.of(writer);
      const said = [await writer.say(room.id, 'One'), await writer.say(room.id, 'Two')];
      for (const event of said) await room.has(reader, event);
      await reader.call('POST', room.path(`receipt/m.read.private/${enc(said[1] as string)}`), {});
      // The public one is sent after it and tells nothing of it.
      await reader.call('POST', room.path(`receipt/m.read/${enc(said[0] as string)}`), {});
      const seen: string[] = [];
      await client.until('the public receipt', (answer) => {
        const receipts = (ephemeral(answer, 'm.receipt') ?? {}) as Receipts;
        seen.push(JSON.stringify(receipts));
        return receipts[said[0] as string]?.['m.read']?.[reader.userId];
      });
      assert.doesNotMatch(seen.join(), /private/);
    });

    it(`presence of ${here} is seen on ${there}`, async () => {
      const [shown, watcher] = [people[here], people[there]];
      const client = await Follower.of(watcher);
      for (const status of [`at work on ${here}`, `at home on ${here}`]) {
        const path = `/_matrix/client/v3/presence/${enc(shown.userId)}/status`;
        await shown.call('PUT', path, { presence: 'online', status_msg: status });
        const event = await client.until(`presence ${status}`, ({ presence }) =>
          presence?.events.find(({ sender, content }) => sender === shown.userId && content['status_msg'] === status),
        );
        assert.equal(event.content['presence'], 'online');
        assert.equal((await watcher.call('GET', path))['status_msg'], status);
      }
    });
  }
});
