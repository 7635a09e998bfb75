import { rmSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { giantRoom, readGiant } from '../../test/support/giant/giant-room.ts';
import { tableContents } from '../../test/support/giant/table-contents.ts';
import { Person } from '../../test/support/person.ts';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { freePort, type ServerProcess } from '../../test/support/server-process.ts';
import { ThrowAwayCa } from '../../test/support/throw-away-ca.ts';
import { startBeside, startGiant } from './giant-process.ts';

export interface GiantKillsOptions {
  readonly members: number;
  readonly servers: number;
  readonly kills: number;
  readonly seed: string;
  /** Whether the room's server leaves out members at first. */
  readonly canOmitMembers: boolean;
  readonly executable?: string;
}

export interface GiantKillsFigures {
  /** Of so many kills, how many met the join before its end. */
  readonly kills: number;
  readonly interrupted: number;
  /** Tables compared with those of a join that nobody interrupted. */
  readonly tables: number;
  /** What differs: nothing, if all is well. */
  readonly differences: readonly string[];
}

/**
 * Kills a server (SIGKILL) at random moments of a join, starts it again and waits for the join's end; then holds the
 * room, table by table, against one that was joined without interruption.
 */
export async function giantKills(options: GiantKillsOptions): Promise<GiantKillsFigures> {
  const folder = giantRoom({ ...options, version: '10' });
  const { roomId, members } = readGiant(folder);
  const ca = await ThrowAwayCa.create();
  const port = await freePort();
  const issued = await ca.issue('giant.test', '*.giant.test');
  const giant = await startGiant({ folder, port, ...issued, canOmitMembers: options.canOmitMembers });
  const random = new SeededRandom(options.seed);
  const begin = async () => {
    const server = await startBeside({ ...options, port, trusted: ca.cert, prefix: [] });
    return { server, alice: await Person.register(server.port, 'alice') };
  };
  const path = `/_matrix/client/v3/join/${encodeURIComponent(roomId)}?via=giant.test`;
  try {
    const plain = await begin();
    const start = performance.now();
    await plain.alice.call('POST', path, {});
    await until(() => isComplete(plain.server, roomId, members));
    plain.alice.close();
    const took = performance.now() - start;
    const expected = await contents(plain.server);
    const differences: string[] = [];
    let interrupted = 0;
    for (let kill = 0; kill < options.kills; kill++) {
      const { server, alice } = await begin();
      alice.call('POST', path, {}).catch(() => {});
      await pause((random.bytes(2).readUInt16BE() / 65_536) * took);
      await server.stop('SIGKILL');
      alice.close();
      const again = await server.restart();
      // Killed before it had taken the request in: whoever asks asks again.
      if (!isKnown(again, roomId)) {
        const asking = alice.at(again.port);
        await asking.call('POST', path, {});
        asking.close();
      } else if (!isComplete(again, roomId, members)) {
        interrupted++;
      }
      await until(() => isComplete(again, roomId, members)).catch(async (problem: unknown) => {
        await again.remove();
        throw problem;
      });
      const found = await contents(again);
      for (const [table, rows] of expected) {
        if (rows !== found.get(table)) {
          differences.push(`kill ${kill}: ${table} (${rows}, then ${found.get(table)})`);
        }
      }
    }
    return { kills: options.kills, interrupted, tables: expected.size, differences };
  } finally {
    giant.kill();
  }
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
/** Ends the server, and removes it when what it knows is read. */
async function contents(server: ServerProcess): Promise<Map<string, string>> {
  await server.stop();
  const found = tableContents(join(server.dataDir, 'hearth.db'));
  rmSync(server.dir, { recursive: true, force: true });
  return found;
}

async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + 5 * 60_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error('the join does not come to its end');
    await pause(200);
  }
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
