import { rmSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { giantRoom, readGiant } from '../../test/support/giant/giant-room.ts';
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
  /** Whether the room's server leaves members out of the answer to a join. */
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
    const took = performance.now() - start;
    const expected = await contents(plain.server, roomId);
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
      const found = await contents(again, roomId);
      for (const [table, rows] of expected) {
        if (rows !== found.get(table)) differences.push(`kill ${kill}: ${table}`);
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
const idOf = (column: string) => `(SELECT hex(id) FROM event_id WHERE nid = ${column})`;
const userOf = (column: string) =>
  `(SELECT localpart || server.name FROM user JOIN server ON server.nid = user.server WHERE user.nid = ${column})`;
const keyOf = (column: string) => `(SELECT type || ' ' || skey FROM state_key WHERE nid = ${column})`;
/** The join itself has its own time, and so its own ID, with each try. */
const other = (column: string) => `${column} NOT IN (SELECT event FROM local_member)`;

/** What each table says of the room: numbers read as the strings they stand for, positions left out or as ranks. */
const questions: Readonly<Record<string, string>> = {
  event:
    `SELECT ${idOf('nid')} AS id, type, ${userOf('sender')} AS sender, ${keyOf('state_key')} AS key, depth, ts, flags, membership,` +
    ` segment IS NULL, pos IS NULL FROM event WHERE room = ${roomOf} AND ${other('nid')} ORDER BY id`,
  event_body:
    `SELECT ${idOf('nid')} AS id, format FROM event_body WHERE nid IN (SELECT nid FROM event WHERE room = ${roomOf}` +
    ` AND ${other('nid')}) ORDER BY id`,
  event_raw: `SELECT count(*) FROM event_raw WHERE nid IN (SELECT nid FROM event WHERE room = ${roomOf} AND ${other('nid')})`,
  auth_node:
    `SELECT ${idOf('event')} AS id, seq, rank FROM auth_node WHERE event IN (SELECT nid FROM event WHERE room = ${roomOf}` +
    ` AND ${other('nid')}) ORDER BY id`,
  auth_child:
    `SELECT ${idOf('parent')} AS parent, ${idOf('child')} AS child FROM auth_child WHERE parent IN` +
    ` (SELECT nid FROM event WHERE room = ${roomOf}) AND ${other('child')} ORDER BY parent, child`,
  event_edge:
    `SELECT ${idOf('child')} AS child, ${idOf('parent')} AS parent FROM event_edge WHERE child IN` +
    ` (SELECT nid FROM event WHERE room = ${roomOf} AND ${other('nid')}) ORDER BY child, parent`,
  current_state:
    `SELECT ${keyOf('key')} AS key, ${idOf('event')} AS id, dense_rank() OVER (ORDER BY pos) FROM current_state` +
    ` WHERE room = ${roomOf} AND ${other('event')} ORDER BY key`,
  state_change:
    `SELECT ${keyOf('key')} AS key, ${idOf('event')} AS id, dense_rank() OVER (ORDER BY pos) FROM state_change` +
    ` WHERE line IN (SELECT nid FROM line WHERE room = ${roomOf}) AND ${other('event')} ORDER BY key`,
  line: `SELECT count(*) FROM line WHERE room = ${roomOf}`,
  member:
    `SELECT ${userOf('user')} AS who, membership, ${idOf('event')} AS id FROM member WHERE room = ${roomOf}` +
    ` AND ${other('event')} ORDER BY who`,
  local_member: `SELECT ${userOf('user')} AS who, membership FROM local_member WHERE room = ${roomOf} ORDER BY who`,
  room_server:
    `SELECT server.name AS name, to_pos, dense_rank() OVER (ORDER BY from_pos) FROM room_server` +
    ` JOIN server ON server.nid = room_server.server WHERE room = ${roomOf} ORDER BY name`,
  room_info: `SELECT joined, invited, knocked, banned, servers, states FROM room_info WHERE room = ${roomOf}`,
  room_line: `SELECT count(*) FROM room_line WHERE room = ${roomOf}`,
  segment: `SELECT count(*) FROM segment WHERE room = ${roomOf}`,
  timeline: `SELECT count(*) FROM timeline WHERE event IN (SELECT nid FROM event WHERE room = ${roomOf})`,
  forward_extremity: `SELECT count(*) FROM forward_extremity WHERE room = ${roomOf}`,
  backward_extremity: `SELECT count(*) FROM backward_extremity WHERE room = ${roomOf}`,
  partial_event: `SELECT count(*) FROM partial_event WHERE room = ${roomOf}`,
  room_completion: `SELECT count(*) FROM room_completion WHERE room = ${roomOf}`,
  room_import: 'SELECT count(*) FROM room_import WHERE ? IS NOT NULL',
};

/** Ends the server, and removes it when what it knows of the room is read. */
async function contents(server: ServerProcess, roomId: string): Promise<Map<string, string>> {
  await server.stop();
  const found = new Map<string, string>();
  {
    using db = open(server);
    for (const [table, sql] of Object.entries(questions)) {
      found.set(table, JSON.stringify(db.handle.prepare<[string], unknown>(sql).raw().all(roomId)));
    }
  }
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
