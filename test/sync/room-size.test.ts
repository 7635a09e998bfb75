import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ScriptedRoom } from '../support/federation/scripted-room.ts';
import { Universe } from '../support/servers/universe.ts';

const v3 = '/_matrix/client/v3';
const locals = ['user0', 'user1', 'user2', 'user3', 'user4'];
const rounds = 20;

/** Statements for a message, and for the five answers of /sync that tell of it, in a room of so many members of others. */
async function statements(others: number): Promise<{ readonly send: number; readonly sync: number }> {
  await using universe = await Universe.open(['a.test']);
  const server = universe.script('b.test');
  const room = ScriptedRoom.create(server, '11');
  for (let i = 1; i < others; i++) {
    const user = server.user(`far${i}`);
    room.add({ type: 'm.room.member', sender: user, stateKey: user, content: { membership: 'join' } });
  }
  room.serve();
  let heard = 0;
  server.on('PUT', '/_matrix/federation/v1/send/{}', ({ body }) => {
    heard += (body.pdus as unknown[]).length;
    return { pdus: {} };
  });
  const world = universe.world('a.test');
  const path = `${v3}/rooms/${encodeURIComponent(room.roomId)}`;
  const tokens: string[] = [];
  for (const name of locals) tokens.push(await world.register(name));
  for (const token of tokens) {
    await world.ok('POST', `${v3}/join/${encodeURIComponent(room.roomId)}?via=b.test`, token, {});
  }
  const { chunk } = await world.ok('GET', `${path}/members?membership=join`, tokens[0] ?? '');
  assert.equal(chunk.length, others + locals.length);
  const since = tokens.map(() => '');
  const filter = encodeURIComponent('{"room":{"timeline":{"limit":100},"state":{"lazy_load_members":true}}}');
  const sync = async () => {
    for (const [index, token] of tokens.entries()) {
      const from = since[index] === '' ? '' : `&since=${since[index]}`;
      since[index] = (await world.ok('GET', `${v3}/sync?timeout=0&filter=${filter}${from}`, token)).next_batch;
    }
  };
  let txn = 0;
  /** Says something, and waits until the other server has it and that is written down. */
  const say = async () => {
    const before = heard;
    const content = { msgtype: 'm.text', body: `${txn}` };
    await world.ok('PUT', `${path}/send/m.room.message/t${txn++}`, tokens[0] ?? '', content);
    await universe.until(() => heard > before, 'the other server to hear of it');
    for (let turn = 0; turn < 20; turn++) await new Promise((done) => setImmediate(done));
  };
  // What the joins leave to be done, and what is remembered from the first message on.
  for (let i = 0; i < 3; i++) await say().then(sync);
  let asked = 0;
  const counted = async (round: () => Promise<unknown>): Promise<number> => {
    asked = 0;
    await round();
    return asked;
  };
  world.hs.db.timeQueries(() => asked++);
  let [send, told] = [0, 0];
  for (let i = 0; i < rounds; i++) {
    send += await counted(say);
    told += await counted(sync);
  }
  world.hs.db.timeQueries(undefined);
  return { send: send / rounds, sync: told / rounds };
}

describe('a message', () => {
  it('takes as many statements in a room of 120 members as in one of 10, for who sends it and who hears it', async () => {
    assert.deepEqual(await statements(115), await statements(5));
  });
});
