import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { Person } from '../../test/support/clients/person.ts';
import { giantRoom, readGiant } from '../../test/support/giant/giant-room.ts';
import { tableContents } from '../../test/support/giant/table-contents.ts';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { freePort, type ServerProcess } from '../../test/support/servers/server-process.ts';
import { ThrowAwayCa } from '../../test/support/throw-away-ca.ts';
import { questions, startBeside, startGiant } from './giant-process.ts';

/** Milliseconds: for all of a join on a busy machine, and for what is done last. */
const longestWait = 10 * 60_000;
const longestCompletion = 60;

export interface GiantKillsOptions {
  readonly members: number;
  readonly servers: number;
  readonly kills: number;
  readonly seed: string;
  /** Whether the room's server leaves out members at first. */
  readonly canOmitMembers: boolean;
  readonly executable?: string;
  /** Kills when the answer is there, and would outlive the process, in place of random moments. */
  readonly onceKept?: boolean;
  /** Whether the data folders are kept of what came out differently, to be looked into. */
  readonly keepsDifferent?: boolean;
}

/** What a kill met: the join itself, members that come in behind it, the room's completion, or nothing of it any more. */
export type KilledStage = 'asked' | 'join' | 'filling in' | 'completion' | 'complete';

export interface GiantKillsFigures {
  /** Of so many kills, how many met the join before its end, and what each of them met. */
  readonly kills: number;
  readonly interrupted: number;
  readonly stages: readonly KilledStage[];
  /** Answers to a join or with a whole state that were asked for in all, the uninterrupted join included. */
  readonly answers: number;
  /** Tables compared with those of a join that nobody interrupted. */
  readonly tables: number;
  /** What differs: nothing, if all is well. */
  readonly differences: readonly string[];
}

/**
 * Kills a server (SIGKILL) at random moments of a join, each in its own part of the time that a join takes; two of five
 * before the join is answered, and when the room is about to become complete. Starts it again and waits for the join's end. Then holds the room,
 * table by table, against one that was joined without interruption.
 */
export async function giantKills(options: GiantKillsOptions): Promise<GiantKillsFigures> {
  const folder = giantRoom({ ...options, version: '10' });
  const { roomId, members } = readGiant(folder);
  const ca = await ThrowAwayCa.create();
  const port = await freePort();
  const issued = await ca.issue('giant.test', '*.giant.test');
  const giant = await startGiant({ folder, port, ...issued, canOmitMembers: options.canOmitMembers });
  const asked = questions(giant);
  const random = new SeededRandom(options.seed);
  const share = (): number => random.bytes(2).readUInt16BE() / 65_536;
  const begin = async () => {
    const server = await startBeside({ ...options, port, trusted: ca.cert, prefix: [] });
    return { server, alice: await Person.register(server.port, 'alice') };
  };
  const path = `/_matrix/client/v3/join/${encodeURIComponent(roomId)}?via=giant.test`;
  const differences: string[] = [];
  const stages: KilledStage[] = [];
  let plain: ServerProcess | undefined;
  let timed = 0;
  try {
    const first = await begin();
    plain = first.server;
    const start = performance.now();
    await first.alice.call('POST', path, {});
    const answered = performance.now() - start;
    await until(() => isComplete(first.server, roomId, members));
    first.alice.close();
    const took = performance.now() - start;
    const expected = await contents(plain);
    const { length: atAnyTime } = [...Array(options.kills).keys()].filter(
      (kill) => !isAtTheDoor(kill) && !isAtTheEnd(kill),
    );
    for (let kill = 0; kill < options.kills; kill++) {
      const { server, alice } = await begin();
      alice.call('POST', path, {}).catch(() => {});
      if (options.onceKept === true) await until(() => isKept(server));
      else if (isAtTheEnd(kill)) await untilFilled(server, roomId).then(() => pause(share() * longestCompletion));
      else if (isAtTheDoor(kill)) await until(() => isKnown(server, roomId)).then(() => pause(share() * answered));
      else await pause(((timed++ + share()) / atAnyTime) * took);
      await server.stop('SIGKILL');
      alice.close();
      const stage = stageOf(server, roomId, members);
      stages.push(stage);
      const again = await server.restart();
      // Killed before it had taken the request in: whoever asks asks again.
      if (stage === 'asked') {
        const asking = alice.at(again.port);
        await asking.call('POST', path, {});
        asking.close();
      }
      await until(() => isComplete(again, roomId, members)).catch(async (problem: unknown) => {
        const { log } = again;
        await again.remove();
        throw new Error(`killed at: ${stage}\n${log.slice(-5000)}`, { cause: problem });
      });
      const found = await contents(again);
      const different = [...expected].filter(([table, rows]) => rows !== found.get(table));
      for (const [table, rows] of different) {
        differences.push(`kill ${kill} (${stage}): ${table} (${rows}, then ${found.get(table)})`);
      }
      if (different.length === 0 || options.keepsDifferent !== true) await again.remove();
      else differences.push(`kept in ${again.dir} and ${plain.dir}`);
    }
    const interrupted = stages.filter((stage) => stage !== 'asked' && stage !== 'complete').length;
    const { send_join: joins = 0, state = 0 } = await asked();
    return { kills: options.kills, interrupted, stages, answers: joins + state, tables: expected.size, differences };
  } finally {
    giant.kill();
    if (differences.length === 0 || options.keepsDifferent !== true) await plain?.remove();
  }
}

function isKept({ dataDir }: ServerProcess): boolean {
  const folder = join(dataDir, 'spool');
  return existsSync(folder) && readdirSync(folder).some((name) => name.endsWith('.json'));
}

const isAtTheDoor = (kill: number): boolean => kill % 5 === 3;
const isAtTheEnd = (kill: number): boolean => kill % 5 === 4;

/** What the kill met. */
function stageOf(server: ServerProcess, roomId: string, members: number): KilledStage {
  if (!isKnown(server, roomId)) return 'asked';
  if (isComplete(server, roomId, members)) return 'complete';
  using db = open(server);
  const filled = db.handle.prepare<[], number>('SELECT filled FROM room_partial').pluck().get();
  if (filled === undefined) return 'join';
  return filled === 0 ? 'filling in' : 'completion';
}

/** Until all of the state is there, and the room is about to become complete; or is, if it was never entered without its members. */
async function untilFilled(server: ServerProcess, roomId: string): Promise<void> {
  using db = open(server);
  const filled = db.handle.prepare<[], number>('SELECT filled FROM room_partial').pluck();
  const entered = db.handle.prepare<[string], number>(`SELECT 1 FROM room_info WHERE room = ${roomOf}`).pluck();
  const end = performance.now() + longestWait;
  while (performance.now() < end) {
    const now = filled.get();
    if (now === 1 || (now === undefined && entered.get(roomId) !== undefined)) return;
    await pause(2);
  }
  throw new Error('the members do not come');
}

/** Whether the room is there with all its members, and no join is noted. */
function isComplete(server: ServerProcess, roomId: string, members: number): boolean {
  using db = open(server);
  const joined = db.handle.prepare<[string], number>(`SELECT joined FROM room_info WHERE room = ${roomOf}`).pluck();
  const pending = db.handle
    .prepare<[], number>('SELECT (SELECT count(*) FROM room_join) + (SELECT count(*) FROM room_partial)')
    .pluck()
    .get();
  return joined.get(roomId) === members + 1 && pending === 0;
}

/** Whether the room is there, or a join of it is noted. */
function isKnown(server: ServerProcess, roomId: string): boolean {
  using db = open(server);
  const known = db.handle.prepare<[string, string], unknown>(
    `SELECT room FROM room_info WHERE room = ${roomOf} UNION ALL SELECT room FROM room_join WHERE room = ${roomOf}`,
  );
  return known.get(roomId, roomId) !== undefined;
}

function open(server: ServerProcess) {
  const handle = new Sqlite(join(server.dataDir, 'hearth.db'), { readonly: true });
  return { handle, [Symbol.dispose]: () => void handle.close() };
}

const roomOf = '(SELECT nid FROM room WHERE room_id = ?)';
/** Ends the server, and reads what it knows. */
async function contents(server: ServerProcess): Promise<Map<string, string>> {
  await server.stop();
  return tableContents(join(server.dataDir, 'hearth.db'));
}

async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + longestWait;
  while (!condition()) {
    if (performance.now() > end) throw new Error('the join does not come to its end');
    await pause(50);
  }
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
