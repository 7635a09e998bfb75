import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { checkDataDir } from '../support/check-data-dir.ts';
import { type BurstResult, readHistory, sendOnce, sendUntilGone } from '../support/clients/burst.ts';
import { Person } from '../support/clients/person.ts';
import { WireConnection } from '../support/clients/wire-client.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { PowerCutRecorder } from '../support/servers/power-cut.ts';
import { ServerProcess } from '../support/servers/server-process.ts';

/** Lets the burst run for a while that differs each time, then ends the server without warning. */
async function burstAndKill(server: ServerProcess, person: Person, room: string, label: string, ms: number) {
  const burst = sendUntilGone(person, server.port, room, label, 4);
  await new Promise((done) => setTimeout(done, ms));
  await server.stop('SIGKILL');
  return burst;
}

/** Sends what was not answered again, with its transaction ID, as a client does. */
async function sendAgain(server: ServerProcess, person: Person, room: string, burst: BurstResult): Promise<string[]> {
  const connection = new WireConnection(server.port);
  const sent: string[] = [];
  for (const txn of burst.unanswered) sent.push(await sendOnce(connection, person, room, txn));
  connection.close();
  return sent;
}

async function assertAllThereOnce(person: Person, room: string, expected: ReadonlyMap<string, string>): Promise<void> {
  const history = await readHistory(person, room);
  const byBody = new Map(history.map((event) => [event.body, event.eventId]));
  assert.equal(byBody.size, history.length, 'a message stands in the room twice');
  for (const [txn, eventId] of expected) assert.equal(byBody.get(txn), eventId, `the answered send ${txn} is there`);
  assert.equal(history.length, expected.size, 'nothing else is there');
}

describe('an answered send', () => {
  const dir = mkdtempSync(join(tmpdir(), 'hearth-durability-'));
  after(() => rmSync(dir, { recursive: true, force: true }));

  it('survives kill -9 in the middle of a burst, twenty times, and a retried one is there once', async () => {
    const chance = new SeededRandom('kill');
    let server = await ServerProcess.start({ dir: mkdtempSync(join(dir, 'kill-')) });
    let alice = await Person.register(server.port, 'alice');
    const room = await alice.createRoom({ preset: 'public_chat' });
    const expected = new Map<string, string>();
    for (let round = 0; round < 20; round++) {
      const burst = await burstAndKill(server, alice, room, `kill-${round}`, 20 + chance.below(180));
      alice.close();
      server = await server.restart();
      alice = alice.at(server.port);
      const again = await sendAgain(server, alice, room, burst);
      for (const [txn, eventId] of burst.answered) expected.set(txn, eventId);
      burst.unanswered.forEach((txn, i) => expected.set(txn, again[i] as string));
    }
    await assertAllThereOnce(alice, room, expected);
    alice.close();
    assert.equal(await server.stop(), 0);
    assert.deepEqual(checkDataDir(server.dataDir), []);
  });

  it('survives a power cut that keeps of each file only what was synced', async (t) => {
    const home = mkdtempSync(join(dir, 'power-'));
    const recorder = PowerCutRecorder.prepare(home, join(home, 'data'));
    if (recorder === undefined) {
      assert.equal(process.env['CI'], undefined, 'CI has a C compiler');
      return t.skip('no C compiler on this machine to build the recorder of fsync calls with');
    }
    const chance = new SeededRandom('cut');
    let server = await ServerProcess.start({ dir: home, env: recorder.env });
    let alice = await Person.register(server.port, 'alice');
    const room = await alice.createRoom({ preset: 'public_chat' });
    const expected = new Map<string, string>();
    for (let round = 0; round < 8; round++) {
      const burst = await burstAndKill(server, alice, room, `cut-${round}`, 20 + chance.below(180));
      alice.close();
      recorder.cutPower();
      server = await server.restart();
      alice = alice.at(server.port);
      const again = await sendAgain(server, alice, room, burst);
      for (const [txn, eventId] of burst.answered) expected.set(txn, eventId);
      burst.unanswered.forEach((txn, i) => expected.set(txn, again[i] as string));
    }
    await assertAllThereOnce(alice, room, expected);
    alice.close();
    assert.equal(await server.stop(), 0);
    assert.deepEqual(checkDataDir(server.dataDir), []);
  });
});
