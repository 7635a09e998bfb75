import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Person } from '../../test/support/clients/person.ts';
import { type GiantShape, giantRoom, readGiant } from '../../test/support/giant/giant-room.ts';
import { freePort } from '../../test/support/servers/server-process.ts';
import { ThrowAwayCa } from '../../test/support/throw-away-ca.ts';
import { startBeside, startGiant } from './giant-process.ts';
import { usageOf } from './process-tree.ts';

/** Twenty rooms of 10 to 80,000 members, some of them with a state that is not made of members. */
export const estimatedRooms: readonly GiantShape[] = [
  { members: 10, servers: 5, version: '10' },
  { members: 20, servers: 10, version: '12' },
  { members: 50, servers: 20, version: '6' },
  { members: 50, servers: 5, version: '10', odd: { kind: 'bans', count: 200 } },
  { members: 100, servers: 30, version: '10' },
  { members: 100, servers: 5, version: '10', odd: { kind: 'types', count: 500 } },
  { members: 200, servers: 50, version: '12' },
  { members: 500, servers: 100, version: '10' },
  { members: 500, servers: 50, version: '11', odd: { kind: 'bans', count: 2000 } },
  { members: 1000, servers: 100, version: '10' },
  { members: 1000, servers: 300, version: '12' },
  { members: 1500, servers: 200, version: '10', odd: { kind: 'types', count: 3000 } },
  { members: 2000, servers: 200, version: '6' },
  { members: 3000, servers: 500, version: '10' },
  { members: 5000, servers: 500, version: '12' },
  { members: 5000, servers: 300, version: '10', odd: { kind: 'bans', count: 10_000 } },
  { members: 10_000, servers: 500, version: '10' },
  { members: 20_000, servers: 1000, version: '10' },
  { members: 40_000, servers: 500, version: '10' },
  { members: 80_000, servers: 500, version: '10' },
];

export interface EstimateFigures {
  readonly estimatedMb: number;
  readonly grownMb: number;
  readonly estimatedSeconds: number;
  readonly seconds: number;
  /** Of the server while it joined: what it would have taken on one core that nobody else uses. */
  readonly cpuSeconds: number;
}

const longest = 10 * 60_000;

/** What a server that has never joined a room says about one, and what it then takes. */
export async function estimate(
  shape: GiantShape,
  options: { readonly executable?: string; readonly prefix: readonly string[]; readonly canOmitMembers?: boolean },
): Promise<EstimateFigures> {
  const folder = giantRoom(shape);
  const { roomId, members } = readGiant(folder);
  const ca = await ThrowAwayCa.create();
  const port = await freePort();
  const issued = await ca.issue('giant.test', '*.giant.test');
  const { canOmitMembers = false } = options;
  const giant = await startGiant({ folder, port, ...issued, canOmitMembers, tellsSize: true });
  const toml =
    '[limits.room]\nmax_members = 1000000\nmax_state_events = 1000000\nmax_servers = 100000\nmax_disk_mb = 10000\n';
  const first = await startBeside({ ...options, servers: shape.servers, port, trusted: ca.cert, toml });
  try {
    const registered = await Person.register(first.port, 'alice');
    registered.close();
    await first.stop();
    const file = join(first.dataDir, 'hearth.db');
    const before = statSync(file).size;
    const server = await first.restart();
    const told = askCli(server.dir, options.executable, ['room', 'estimate', roomId, '--via', 'giant.test']);
    const alice = registered.at(server.port);
    const start = performance.now();
    const cpu = usageOf(server.pid).cpuSeconds;
    await alice.call('POST', `/_matrix/client/v3/join/${encodeURIComponent(roomId)}?via=giant.test`, {});
    await allMembers(alice, roomId, members + 1);
    const seconds = (performance.now() - start) / 1000;
    const cpuSeconds = usageOf(server.pid).cpuSeconds - cpu;
    alice.close();
    // Packs what is left, and folds the write-ahead log in.
    await pause(5000);
    await server.stop();
    const { disk_mb: disk, join_minutes: minutes } = told;
    return {
      estimatedMb: disk?.value ?? Number.NaN,
      grownMb: (statSync(file).size - before) / 1e6,
      estimatedSeconds: (minutes?.value ?? Number.NaN) * 60,
      seconds,
      cpuSeconds,
    };
  } finally {
    giant.kill();
    await first.remove();
  }
}

type Told = Readonly<Record<string, { readonly value: number } | undefined>>;

function askCli(dir: string, executable: string | undefined, words: readonly string[]): Told {
  const root = resolve(import.meta.dirname, '../..');
  const source = ['--import', join(root, 'build/text-imports.mjs'), '--disable-warning=ExperimentalWarning'];
  const [program, args] =
    executable === undefined ? [process.execPath, [...source, join(root, 'src/main.ts')]] : [resolve(executable), []];
  const said = execFileSync(program, [...args, ...words, '--json', '--config', join(dir, 'hearth.toml')], {
    encoding: 'utf8',
  });
  return (JSON.parse(said) as { estimate: Told }).estimate;
}

async function allMembers(person: Person, room: string, wanted: number): Promise<void> {
  const end = performance.now() + longest;
  while (performance.now() < end) {
    if ((await person.memberCount(room)) === wanted) return;
    await pause(50);
  }
  throw new Error(`the room does not get its ${wanted} members`);
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
