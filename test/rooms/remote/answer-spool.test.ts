import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RoomId } from '../../../src/protocol/ids/types.ts';
import { AnswerSpools, BadAnswer, joinParts } from '../../../src/rooms/remote/answer-spool.ts';
import { SpoolFolder } from '../../../src/store/spool/spool-folder.ts';
import { silentLog } from '../../../src/util/log.ts';
import { WorkerPool } from '../../../src/workers/worker-pool.ts';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import { rulesOf } from '../../support/federation/scripted-server.ts';
import { Universe } from '../../support/servers/universe.ts';
import { tempFolder } from '../../support/store.ts';
import { FakeClock } from '../../support/stubs/fake-clock.ts';

const rules = rulesOf('11');
const options = {
  roomId: '!r:x' as RoomId,
  rules,
  parts: joinParts,
  members: ['event'],
  maxEvents: 10,
  signal: new AbortController().signal,
};

async function* chunks(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}

function openSpool() {
  const folder = tempFolder();
  const workers = new WorkerPool({ clock: new FakeClock(), log: silentLog });
  const spool = new AnswerSpools({ spools: new SpoolFolder(folder.path), workers }).create();
  return {
    spool,
    async [Symbol.asyncDispose]() {
      await spool[Symbol.asyncDispose]();
      await workers.close();
      folder[Symbol.dispose]();
    },
  };
}

describe('a large answer', () => {
  it('is read past 100 MB that nobody asked for, and keeps nothing of them', async () => {
    await using opened = openSpool();
    const { spool } = opened;
    const filler = Buffer.from(`"${'x'.repeat(64 * 1024 - 3)}",`);
    async function* body(): AsyncGenerator<Buffer> {
      yield Buffer.from('{"junk":[');
      for (let i = 0; i < 1600; i++) yield filler;
      yield Buffer.from('1],"event":{"a":1},"state":[]}');
    }
    const { members, events } = await spool.read(body(), options);
    assert.deepEqual(members.get('event'), { a: 1 });
    assert.equal(events, 0);
  });

  it('is refused with more events than a room has', async () => {
    await using universe = await Universe.open([]);
    const room = ScriptedRoom.create(universe.script('x.test'), '11');
    for (let i = 0; i < 20; i++) room.add({ type: 'org.test.thing', stateKey: `${i}` });
    await using opened = openSpool();
    const { spool } = opened;
    const state = [...room.entries.values()].map(({ pdu }) => pdu);
    const answer = spool.read(chunks(JSON.stringify({ state })), { ...options, roomId: room.roomId });
    await assert.rejects(answer, (error) => error instanceof BadAnswer && /too many/.test(error.message));
  });

  it('counts what is no event of the room, and goes on', async () => {
    await using universe = await Universe.open([]);
    const server = universe.script('x.test');
    const room = ScriptedRoom.create(server, '11');
    const other = ScriptedRoom.create(server, '10');
    await using opened = openSpool();
    const { spool } = opened;
    const message = room.build({ type: 'm.room.message' }).pdu;
    const pdus = [...room.entries.values()].map(({ pdu }) => pdu);
    const state = [1, 'x', null, {}, [...other.entries.values()][0]?.pdu, message, ...pdus];
    const { bad, events } = await spool.read(chunks(JSON.stringify({ state })), { ...options, roomId: room.roomId });
    assert.equal(bad, 6);
    assert.equal(events, pdus.length);
  });

  it('that hangs is not waited for once it is called off', async () => {
    await using opened = openSpool();
    const { spool } = opened;
    const abort = new AbortController();
    async function* body(): AsyncGenerator<Buffer> {
      yield Buffer.from('{"state":[');
      setImmediate(() => abort.abort());
      await new Promise(() => {});
    }
    await assert.rejects(spool.read(body(), { ...options, signal: abort.signal }), BadAnswer);
  });
});
