import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Person } from '../support/clients/person.ts';
import { bothWays, Pair, type Side } from './pair.ts';
import { type RoomEvent, SharedRoom } from './shared-room.ts';

const enc = encodeURIComponent;

describe('what Hearth and Synapse show each other of the past', () => {
  let pair: Pair;
  let people: Record<Side, Person>;

  before(async () => {
    pair = await Pair.start();
    people = { Hearth: await pair.register('Hearth', 'hilda'), Synapse: await pair.register('Synapse', 'sven') };
  });

  after(() => pair[Symbol.asyncDispose]());

  function visible(history_visibility: string): Record<string, unknown> {
    return { initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility } }] };
  }

  for (const [there, here] of bothWays) {
    for (const [visibility, expected] of [
      ['world_readable', ['early', 'invited', 'joined']],
      ['shared', ['early', 'invited', 'joined']],
      ['invited', ['invited', 'joined']],
      ['joined', ['joined']],
    ] as const) {
      it(`of a room on ${there} whose history is ${visibility}, one of ${here} reads ${expected.join(', ')}`, async () => {
        const [host, guest] = [people[there], people[here]];
        const room = new SharedRoom(pair, await host.createRoom({ preset: 'public_chat', ...visible(visibility) }));
        await host.say(room.id, 'early');
        await pair.eventually('the invite', () => room.act(host, 'invite', { user_id: guest.userId }));
        await host.say(room.id, 'invited');
        await room.joined(guest, host);
        await room.sees(host, guest, 'join');
        await room.has(guest, await host.say(room.id, 'joined'));
        await room.reads(guest, expected);
      });
    }

    it(`of a room on ${there}, one of ${here} does not read what was taken back before they came`, async () => {
      const [host, guest] = [people[there], people[here]];
      const room = new SharedRoom(pair, await host.createRoom({ preset: 'public_chat' }));
      const secret = await host.say(room.id, 'a secret');
      await host.say(room.id, 'no secret');
      const topic = await room.put(host, 'm.room.topic', { topic: 'a secret too' });
      await room.redact(host, secret, 'oh');
      await room.redact(host, topic, 'oh');
      await room.joined(guest, host);
      await room.reads(guest, ['undefined', 'no secret']);
      const event = await room.event(guest, secret);
      assert.deepEqual(event.content, {});
      const because = event.unsigned?.['redacted_because'] as RoomEvent | undefined;
      assert.equal(because?.content['reason'], 'oh');
      assert.deepEqual(await room.state(guest, 'm.room.topic'), {});
    });

    it(`in a room on ${there}, one of ${here} finds the event of a time before they came`, async () => {
      const [host, guest] = [people[there], people[here]];
      const room = new SharedRoom(pair, await host.createRoom({ preset: 'public_chat' }));
      const first = await host.say(room.id, 'first');
      const { origin_server_ts } = (await room.event(host, first)) as unknown as { origin_server_ts: number };
      for (let n = 0; n < 30; n++) await host.say(room.id, `later ${n}`);
      await room.joined(guest, host);
      const path = `/_matrix/client/v1/rooms/${enc(room.id)}/timestamp_to_event?dir=f&ts=${origin_server_ts}`;
      const found = await pair.eventually('the event of that time', () => guest.call('GET', path));
      assert.equal(found['event_id'], first);
      const { event } = (await guest.call('GET', room.path(`context/${enc(first)}?limit=4`))) as { event: RoomEvent };
      assert.equal(event.content['body'], 'first');
    });

    it(`a room on ${there} that shuts the server of ${here} out hears nothing of it any more`, async () => {
      const [host, guest] = [people[there], people[here]];
      const room = await SharedRoom.open(pair, host, [guest]);
      await room.has(host, await guest.say(room.id, 'before'));
      const acl = (deny: string[]) =>
        room.put(host, 'm.room.server_acl', { allow: ['*'], deny, allow_ip_literals: true });
      await acl([pair.names[here].replace(/:.*/, '')]);
      await room.has(guest, await host.say(room.id, 'to those outside'));
      await guest.say(room.id, 'not heard');
      // What another room hears comes after it.
      const other = await SharedRoom.open(pair, host, [guest]);
      await other.has(host, await guest.say(other.id, 'heard'));
      assert.deepEqual(await room.texts(host), ['before', 'to those outside']);
    });

    it(`five people on each side talk at once in a room on ${there}`, async () => {
      const [host, guest] = [people[there], people[here]];
      const room = await SharedRoom.open(pair, host, [guest]);
      const crowd: Person[] = [];
      for (let n = 0; n < 5; n++) {
        for (const side of [here, there]) {
          const person = await pair.register(side, `crowd${n}${there}`);
          crowd.push(person);
        }
      }
      await Promise.all(crowd.map((person) => room.joined(person, host)));
      const said = await Promise.all(
        crowd.map(async (person) => {
          const texts: string[] = [];
          for (let n = 0; n < 6; n++) {
            const text = `${person.userId} ${n}`;
            texts.push(text);
            await person.say(room.id, text);
            if (n === 3)
              await room.put(person, 'm.room.member', { membership: 'join', displayname: text }, person.userId);
          }
          return texts;
        }),
      );
      const all = said.flat().toSorted().join('\n');
      for (const person of [host, guest]) {
        const texts = await pair.eventually(`${person.name} reads all`, async () => {
          const read = await room.texts(person);
          return read.toSorted().join('\n') === all ? read : undefined;
        });
        // Everybody's own words are in order.
        for (const own of said) {
          assert.deepEqual(
            texts.filter((text) => own.includes(text)),
            own,
          );
        }
      }
      await room.agreed([host, guest]);
    });

    it(`an account of ${here} that is closed leaves the rooms on ${there}`, async () => {
      const host = people[there];
      const leaver = await pair.register(here, `leaver${there}`);
      const room = await SharedRoom.open(pair, host, [leaver]);
      await leaver.call('POST', '/_matrix/client/v3/account/deactivate', {
        auth: {
          type: 'm.login.password',
          identifier: { type: 'm.id.user', user: leaver.name },
          password: `the password of ${leaver.name}`,
        },
      });
      await room.sees(host, leaver, 'leave');
    });
  }
});
