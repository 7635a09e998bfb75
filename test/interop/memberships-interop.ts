import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Person } from '../support/person.ts';
import { Pair } from './pair.ts';

const enc = encodeURIComponent;

describe('people of Hearth and of Synapse get into rooms and out of them', () => {
  let pair: Pair;
  let hilda: Person;
  let sven: Person;
  let syncs = 0;

  before(async () => {
    pair = await Pair.start();
    hilda = await pair.onHearth('hilda');
    sven = await pair.onSynapse('sven');
  });

  after(() => pair[Symbol.asyncDispose]());

  const room = (person: Person, roomId: string, action: string, body: unknown = {}) =>
    person.call('POST', `/_matrix/client/v3/rooms/${enc(roomId)}/${action}`, body);

  async function sees(watcher: Person, roomId: string, member: Person, membership: string): Promise<void> {
    const path = `/_matrix/client/v3/rooms/${enc(roomId)}/state/m.room.member/${enc(member.userId)}`;
    await pair.eventually(`${watcher.name} sees ${membership} of ${member.name}`, async () =>
      (await watcher.call('GET', path))['membership'] === membership ? true : undefined,
    );
  }

  async function waits(person: Person, roomId: string, section: 'invite' | 'knock' | 'join'): Promise<string[]> {
    return pair.eventually(`${section} of ${person.name}`, async () => {
      // Synapse remembers the answer to a first /sync for minutes: each has to look different.
      const { rooms } = (await person.call('GET', `/_matrix/client/v3/sync?timeout=${++syncs}`)) as {
        rooms?: Record<string, Record<string, Record<string, { events: { type: string }[] }>>>;
      };
      const found = rooms?.[section]?.[roomId];
      return found && (found[`${section}_state`]?.events ?? []).map(({ type }) => type);
    });
  }

  for (const version of ['10', '11', '12']) {
    it(`by an invite, declined and then accepted (room version ${version})`, async () => {
      for (const [inviter, invited] of [
        [sven, hilda],
        [hilda, sven],
      ] as const) {
        const options = { room_version: version, preset: 'private_chat', name: 'Inside' };
        const roomId = await inviter.createRoom(options);
        const invite = () => room(inviter, roomId, 'invite', { user_id: invited.userId });
        await pair.eventually('the invite', invite);
        const shown = await waits(invited, roomId, 'invite');
        for (const type of ['m.room.create', 'm.room.join_rules', 'm.room.name', 'm.room.member']) {
          assert.ok(shown.includes(type), `${invited.name} is shown ${type}`);
        }
        await room(invited, roomId, 'leave');
        await sees(inviter, roomId, invited, 'leave');
        await invite();
        await waits(invited, roomId, 'invite');
        await pair.eventually('the join', () => room(invited, roomId, 'join'));
        await sees(inviter, roomId, invited, 'join');
      }
    });

    it(`by a knock at a room on Hearth (room version ${version})`, async () => {
      const roomId = await hilda.createRoom({
        room_version: version,
        name: 'Inside',
        initial_state: [{ type: 'm.room.join_rules', content: { join_rule: 'knock' } }],
      });
      const knock = `/_matrix/client/v3/knock/${enc(roomId)}?server_name=${pair.hearthName}&via=${pair.hearthName}`;
      await pair.eventually('the knock', () => sven.call('POST', knock, {}));
      await sees(hilda, roomId, sven, 'knock');
      const shown = await waits(sven, roomId, 'knock');
      assert.ok(shown.includes('m.room.name'));
      await room(hilda, roomId, 'invite', { user_id: sven.userId });
      await waits(sven, roomId, 'invite');
      await pair.eventually('the join', () => room(sven, roomId, 'join'));
      await sees(hilda, roomId, sven, 'join');
    });

    it(`by being in another room on Hearth (room version ${version})`, async () => {
      const open = await hilda.createRoom({ room_version: version, preset: 'public_chat' });
      const roomId = await hilda.createRoom({
        room_version: version,
        initial_state: [
          {
            type: 'm.room.join_rules',
            content: { join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: open }] },
          },
        ],
      });
      const join = (id: string) => sven.call('POST', `/_matrix/client/v3/join/${enc(id)}?via=${pair.hearthName}`, {});
      await assert.rejects(join(roomId), /M_FORBIDDEN/);
      await pair.eventually('the join of the other room', () => join(open));
      await pair.eventually('the join', () => join(roomId));
      await sees(hilda, roomId, sven, 'join');
    });
  }

  it('and read what was said before they came', async () => {
    const roomId = await hilda.createRoom({ room_version: '11', preset: 'public_chat' });
    const said = Array.from({ length: 40 }, (_, n) => `m${n}`);
    for (const text of said) await hilda.say(roomId, text);
    const join = `/_matrix/client/v3/join/${enc(roomId)}?via=${pair.hearthName}`;
    await pair.eventually('the join', () => sven.call('POST', join, {}));
    await pair.eventually('the history', async () => {
      const texts: string[] = [];
      let from: string | undefined;
      for (let page = 0; page < 10; page++) {
        const query = `dir=b&limit=50${from === undefined ? '' : `&from=${enc(from)}`}`;
        const { chunk, end } = (await sven.call(
          'GET',
          `/_matrix/client/v3/rooms/${enc(roomId)}/messages?${query}`,
        )) as {
          chunk: { type: string; content: { body: string } }[];
          end?: string;
        };
        texts.push(...chunk.filter(({ type }) => type === 'm.room.message').map(({ content }) => content.body));
        from = end;
        if (end === undefined) break;
      }
      return texts.toReversed().join() === said.join() ? true : undefined;
    });
  });
});
