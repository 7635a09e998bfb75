import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Person } from '../support/person.ts';
import { Pair } from './pair.ts';

const versions = ['6', '9', '10', '11', '12'];

describe('people on Hearth and on Synapse talk to each other', () => {
  let pair: Pair;
  let hilda: Person;
  let sven: Person;

  before(async () => {
    pair = await Pair.start();
    hilda = await pair.onHearth('hilda');
    sven = await pair.onSynapse('sven');
  });

  after(() => pair[Symbol.asyncDispose]());

  /** The texts of a room's newest messages, newest first. */
  async function texts(person: Person, room: string): Promise<string[]> {
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/messages?dir=b&limit=50`;
    const { chunk } = (await person.call('GET', path)) as { chunk: { type: string; content: { body: string } }[] };
    return chunk.filter(({ type }) => type === 'm.room.message').map(({ content }) => content.body);
  }

  async function talk(room: string): Promise<void> {
    await hilda.say(room, 'from Hearth');
    await pair.eventually('Synapse shows the message', async () =>
      (await texts(sven, room)).includes('from Hearth') ? true : undefined,
    );
    await sven.say(room, 'from Synapse');
    await pair.eventually('Hearth shows the message', async () =>
      (await texts(hilda, room)).includes('from Synapse') ? true : undefined,
    );
    assert.deepEqual((await texts(hilda, room)).slice(0, 2), ['from Synapse', 'from Hearth']);
    assert.deepEqual((await texts(sven, room)).slice(0, 2), ['from Synapse', 'from Hearth']);
  }

  for (const version of versions) {
    it(`in a room of version ${version} on Synapse that the one on Hearth joins`, async () => {
      const room = await sven.createRoom({ room_version: version, preset: 'public_chat' });
      const join = `/_matrix/client/v3/join/${encodeURIComponent(room)}?via=${pair.synapse.name}`;
      await pair.eventually('the join', () => hilda.call('POST', join, {}));
      await talk(room);
    });

    it(`in a room of version ${version} on Hearth that the one on Synapse joins`, async () => {
      const room = await hilda.createRoom({ room_version: version, preset: 'public_chat' });
      const join = `/_matrix/client/v3/join/${encodeURIComponent(room)}?via=${pair.hearthName}`;
      await pair.eventually('the join', () => sven.call('POST', join, {}));
      await talk(room);
    });
  }
});
