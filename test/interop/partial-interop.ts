import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import Sqlite from 'better-sqlite3';
import { hearth } from '../cli/command.ts';
import type { Person } from '../support/clients/person.ts';
import { Pair } from './pair.ts';
import { SharedRoom } from './shared-room.ts';

const crowd = 6;

describe('a room of Synapse that is joined without its members', () => {
  let pair: Pair;
  let hilda: Person;
  let sven: Person;
  const others: Person[] = [];

  before(async () => {
    pair = await Pair.start();
    hilda = await pair.register('Hearth', 'hilda');
    sven = await pair.register('Synapse', 'sven');
    for (let n = 0; n < crowd; n++) others.push(await pair.register('Synapse', `other${n}`));
    await SharedRoom.open(pair, sven, [hilda]);
    // Nobody asks how large a room is that no limit holds for: it may be a large one.
    const { code, stderr } = await hearth(`room exempt add ${hilda.userId}`, { folder: pair.hearth.dir });
    assert.equal(code, 0, stderr);
  });

  after(() => pair[Symbol.asyncDispose]());

  /** How many rooms were completed so far, and how many are not complete. */
  function rooms(): { readonly completed: number; readonly partial: number } {
    const db = new Sqlite(join(pair.hearth.dataDir, 'hearth.db'), { readonly: true });
    try {
      const count = (table: string) => db.prepare<[], number>(`SELECT count(*) FROM ${table}`).pluck().get() ?? 0;
      return { completed: count('room_completion'), partial: count('room_partial') };
    } finally {
      db.close();
    }
  }

  for (const version of ['6', '10', '11', '12']) {
    it(`gets them afterwards, and nothing that was said meanwhile is lost (room version ${version})`, async () => {
      const { completed } = rooms();
      const room = new SharedRoom(
        pair,
        await sven.createRoom({ preset: 'public_chat', room_version: version, name: 'Hall' }),
      );
      for (const other of others) await other.join(room.id);
      await room.put(sven, 'm.room.topic', { topic: 'who is here?' });
      await room.join(hilda, sven);
      const said = [await hilda.say(room.id, 'I am'), await (others[0] as Person).say(room.id, 'me too')];
      for (const [person, eventId] of [
        [sven, said[0]],
        [hilda, said[1]],
      ] as const)
        await room.has(person, eventId as string);
      await pair.eventually('that all members are here', async () => {
        const now = rooms();
        return now.partial === 0 && now.completed === completed + 1 ? true : undefined;
      });
      for (const other of others) await room.sees(hilda, other, 'join');
      await room.agreed([hilda, sven]);
      await room.act(others[1] as Person, 'leave');
      await room.sees(hilda, others[1] as Person, 'leave');
      await hilda.say(room.id, 'goodbye');
      await room.agreed([hilda, sven]);
    });
  }
});
