/**
 * `npm run bench`: what the server costs and how fast it is, measured from outside on the built executable, with real
 * HTTP clients. Prints a Markdown table for docs/benchmarks.md. Where `taskset` is there, the server has one core and
 * the load the other.
 */
import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { Person } from '../../test/support/clients/person.ts';
import { LargeState } from '../../test/support/rooms/large-state.ts';
import { ServerProcess } from '../../test/support/servers/server-process.ts';
import { openTestStore } from '../../test/support/store.ts';
import { chat } from './chat.ts';
import { crowd } from './crowd.ts';
import { diskPerEvent } from './disk-per-event.ts';
import { backup, type Figure, ownClaim, queued, tracked } from './e2ee.ts';
import { estimate, estimatedRooms } from './estimates.ts';
import { extreme, extremes, verdict } from './extremes.ts';
import { fanOut } from './fan-out.ts';
import { floods, underFlood } from './floods.ts';
import { giantJoin } from './giant-join.ts';
import { giantKills } from './giant-kills.ts';
import { inbound } from './inbound.ts';
import { initialSync } from './initial-sync.ts';
import { messageCosts } from './message-cost.ts';
import { dropFromCache } from './page-cache.ts';
import { usageOf } from './process-tree.ts';
import { searchBench } from './search.ts';

const { values } = parseArgs({
  options: {
    executable: { type: 'string', default: new URL('../../build/out/hearth', import.meta.url).pathname },
    only: { type: 'string', multiple: true, default: ['idle', 'chat', 'sync', 'disk', 'inbound', 'fan-out'] },
    quick: { type: 'boolean', default: false },
    /** Of the parts with many rooms, only those whose description matches. */
    rows: { type: 'string', default: '' },
    /** Of the joins that are killed: how large, how many, and a word that says when. */
    members: { type: 'string', default: '2000' },
    kills: { type: 'string', default: '20' },
    seed: { type: 'string', default: 'kills' },
    /** Of the fan-out: thousands of them are joined, not let in one by one, and half of them fall silent. */
    servers: { type: 'string', default: '200' },
  },
});
const scale = values.quick ? 0.1 : 1;
const wanted = new RegExp(values.rows);

function pinned(core: number): string[] {
  try {
    execFileSync('taskset', ['-c', String(core), 'true']);
    return ['taskset', '-c', String(core)];
  } catch {
    return [];
  }
}

function pinSelf(core: number): void {
  if (pinned(core).length > 0)
    execFileSync('taskset', ['-a', '-cp', String(core), String(process.pid)], { stdio: 'ignore' });
}

function row(what: string, ...figures: string[]): void {
  console.log(`| ${[what, ...figures].join(' | ')} |`);
}

function start(toml = ''): Promise<ServerProcess> {
  return ServerProcess.start({ executable: values.executable, prefix: pinned(0), toml });
}

async function idle(): Promise<void> {
  const server = await start();
  const alice = await Person.register(server.port, 'alice');
  for (let i = 0; i < 200; i++) await alice.call('GET', '/_matrix/client/v3/account/whoami');
  alice.close();
  await pause(12_000);
  const usage = usageOf(server.pid);
  row('idle', `RSS ${mib(usage.rssMib)}, unreclaimable ${mib(usage.anonymousMib)}, ${usage.processes} process(es)`);
  await server.stop();
  await server.remove();
}

async function chats(): Promise<void> {
  const server = await start();
  const people = await register(server, 50);
  const ten = people.slice(0, 10);
  const room = await commonRoom(ten);
  let total = 0;
  const run = async (who: readonly Person[], where: string, senders: number, messages: number): Promise<void> => {
    const figures = await chat(server, who, where, { senders, messages: Math.ceil(messages * scale) });
    total += Math.ceil(messages * scale);
    row(
      `${who.length} users, ${senders} sender(s), ${Math.ceil(messages * scale)} messages`,
      `${figures.messagesPerSecond.toFixed(0)} msg/s`,
      `${figures.cpuSecondsPerThousand.toFixed(2)} CPU-s/1,000`,
      `p50 ${figures.latencyMs.p50.toFixed(1)} ms, p99 ${figures.latencyMs.p99.toFixed(1)} ms`,
      `missed ${figures.missed}, doubled ${figures.doubled}`,
      `RSS ${mib(figures.rssMib)}, unreclaimable ${mib(figures.anonymousMib)}`,
    );
  };
  await run(ten, room, 10, 500);
  await run(ten, room, 1, 1500);
  await run(ten, room, 10, 3000);
  const large = await commonRoom(people);
  await run(people, large, 1, 500);
  await run(people, large, 10, 1000);
  await run(ten, room, 10, Math.max(500, 10_000 - total / scale));
  const usage = usageOf(server.pid);
  row(`after ${total} messages`, `RSS ${mib(usage.rssMib)}, unreclaimable ${mib(usage.anonymousMib)}`);
  for (const person of people) person.close();
  await server.stop();
  await server.remove();
}

async function syncs(): Promise<void> {
  for (const rooms of [50, Math.ceil(500 * scale)]) {
    const server = await start();
    const figures = await initialSync(server, rooms);
    row(
      `initial sync of ${rooms} rooms`,
      `${figures.milliseconds.toFixed(0)} ms`,
      `${(figures.bytes / 1024).toFixed(0)} KiB`,
      `incremental with one message ${figures.incrementalMilliseconds.toFixed(1)} ms`,
      `RSS ${mib(figures.rssMib)}, unreclaimable ${mib(figures.anonymousMib)}`,
    );
    await server.stop();
    await server.remove();
  }
}

async function disk(): Promise<void> {
  for (const line of await diskPerEvent(() => start(), Math.ceil(10_000 * scale), Math.ceil(200 * scale)))
    row(line.what, line.figures);
}

async function searches(): Promise<void> {
  const count = Math.ceil(100_000 * scale);
  const server = await start('[rate_limits]\nenabled = false\n');
  const { indexBytesPerMessage, milliseconds } = await searchBench(server, count);
  row(`search index of ${count} messages`, `${indexBytesPerMessage.toFixed(0)} bytes a message`);
  for (const [what, median] of milliseconds) row(`search: ${what}`, `${median.toFixed(1)} ms`);
  await server.stop();
  await server.remove();
}

async function incoming(): Promise<void> {
  const messages = Math.ceil(10_000 * scale);
  const figures = await inbound({ messages, executable: values.executable, prefix: pinned(0) });
  row(
    `${messages} events from one server in one room`,
    `${figures.pdusPerSecond.toFixed(0)} PDUs/s`,
    `${figures.cpuSecondsPerThousand.toFixed(2)} CPU-s/1,000`,
    `RSS ${mib(figures.rssMib)}, unreclaimable ${mib(figures.anonymousMib)}`,
  );
}

async function giants(): Promise<void> {
  const shape = { servers: 500, version: '10', executable: values.executable, prefix: pinned(0) };
  for (const canOmitMembers of [false, true]) {
    for (const size of canOmitMembers ? [40_000] : [10_000, 40_000, 80_000]) {
      const members = Math.ceil(size * scale);
      const figures = await giantJoin({ ...shape, members, canOmitMembers });
      const { fullSync } = figures;
      row(
        `join of ${members} members${canOmitMembers ? ', at first without them' : ''}`,
        `answered ${figures.answered.toFixed(1)} s, complete ${figures.complete.toFixed(1)} s, CPU ${figures.cpuSeconds.toFixed(0)} s`,
        `peak RSS ${mib(figures.peakRssMib)} (unreclaimable ${mib(figures.peakAnonymousMib)}), settled ${mib(figures.settledRssMib)} (${mib(figures.settledAnonymousMib)})`,
        `${figures.bytesPerMember.toFixed(0)} bytes a member`,
        `others: send to seen p95 ${figures.sendToSeenP95.toFixed(0)} ms`,
        `full sync, slow reader: ${(fullSync.bytes / 1e6).toFixed(1)} MB, ${fullSync.members} members, RSS +${mib(fullSync.addedMib)}`,
      );
    }
  }
  const { turns } = await giantJoin({
    ...shape,
    members: Math.ceil(40_000 * scale),
    canOmitMembers: false,
    meter: true,
  });
  if (turns === undefined) return;
  row(
    `longest turn of the main thread in a join of ${Math.ceil(40_000 * scale)} members`,
    `${turns.cpu.toFixed(0)} ms of CPU without garbage collection (${turns.over20} over 20, ${turns.over50} over 50)`,
    `collected ${turns.gc.toFixed(0)} ms, ${turns.wall.toFixed(0)} ms of the clock`,
  );
}

/** In a control group of 256 MB: the kernel ends whatever takes more. */
async function hardRooms(): Promise<void> {
  for (const [what, room, limits] of extremes) {
    if (!wanted.test(what)) continue;
    const options = { executable: values.executable, prefix: pinned(0) };
    const outcome = await extreme(room, limits, options).catch((problem: unknown) => problem as Error);
    if (outcome instanceof Error) {
      row(what, `FAILED: ${outcome.message.slice(0, 500)}`);
      continue;
    }
    row(
      what,
      verdict(outcome),
      `answered ${outcome.answered.toFixed(1)} s, complete ${outcome.completed.toFixed(1)} s, CPU ${outcome.completeCpuSeconds.toFixed(1)} s`,
      `peak RSS ${mib(outcome.peakRssMib)}, ${outcome.peakFiles} files and sockets`,
      outcome.status === 200
        ? `${outcome.members} members; a message each way: ${outcome.seen ? 'seen' : 'NOT SEEN'}, ${outcome.serversTold} servers told, CPU ${outcome.talkCpuSeconds.toFixed(1)} s, ${outcome.prevEvents} prev_events${room.forks === undefined ? '' : `; CPU ${outcome.forksCpuSeconds.toFixed(1)} s for the forks`}`
        : '',
    );
  }
}

async function allFloods(): Promise<void> {
  for (const [what, flood] of floods) {
    if (!wanted.test(what)) continue;
    const { answers, seconds, killed, peakRssMib, peakMib, recovered } = await underFlood(flood, {
      executable: values.executable,
      prefix: pinned(0),
    });
    row(
      what,
      killed
        ? 'KILLED'
        : Object.entries(answers)
            .map(([status, count]) => `${count} × ${status}`)
            .join(', '),
      `${seconds.toFixed(1)} s`,
      `peak RSS ${mib(peakRssMib)}${peakMib === undefined ? '' : `, with page cache ${mib(peakMib)}`}`,
      recovered === undefined ? 'STAYS CRITICAL' : `not critical after ${recovered.toFixed(0)} s`,
    );
  }
}

async function largeStates(): Promise<void> {
  await using store = openTestStore({ cacheKib: 16_384 });
  const state = new LargeState(store, '10', Math.ceil(40_000 * scale));
  const points = state.forks();
  const start = performance.now();
  const { changes, cost } = state.resolve(points);
  const milliseconds = performance.now() - start;
  const naive = state.resolveNaively(points);
  const isSame = naive.size === changes.size && [...naive].every(([key, id]) => changes.get(key) === id);
  row(
    `two states of ${Math.ceil(40_000 * scale)} members that differ in ${cost.conflicts} keys`,
    `${milliseconds.toFixed(1)} ms, ${cost.loaded} events loaded`,
    isSame ? 'as the reference has it' : 'NOT WHAT THE REFERENCE HAS',
  );
  for (const renamed of [100, 1000, 10_000].map((count) => Math.ceil(count * scale))) {
    const sides = state.renamed(renamed);
    const began = performance.now();
    const { cost: taken } = state.resolve(sides);
    row(
      `${renamed} members changed on both sides`,
      `${(performance.now() - began).toFixed(0)} ms, ${taken.loaded} events loaded`,
    );
  }
}

async function estimates(): Promise<void> {
  const far = (told: number, real: number): string => (told / real).toFixed(2);
  for (const shape of estimatedRooms.filter(({ members }) => members <= 80_000 * scale)) {
    const odd = shape.odd === undefined ? '' : `, ${shape.odd.count} ${shape.odd.kind}`;
    const what = `${shape.members} members${odd}, version ${shape.version}`;
    if (!wanted.test(what)) continue;
    const figures = await estimate(shape, { executable: values.executable, prefix: pinned(0) });
    row(
      what,
      `${figures.estimatedMb} MB for ${figures.grownMb.toFixed(3)}: ${far(figures.estimatedMb, figures.grownMb)}`,
      `${figures.estimatedSeconds.toFixed(1)} s for ${figures.seconds.toFixed(1)}: ${far(figures.estimatedSeconds, figures.seconds)}`,
      `CPU ${figures.cpuSeconds.toFixed(1)} s: ${far(figures.estimatedSeconds, figures.cpuSeconds)}`,
    );
  }
}

async function kills(): Promise<void> {
  const { executable, seed } = values;
  const members = Number(values.members);
  for (const canOmitMembers of [false, true]) {
    const what = `joins of ${members} members${canOmitMembers ? ', at first without them' : ''}`;
    if (!wanted.test(what)) continue;
    const figures = await giantKills({
      members,
      servers: members >= 5000 ? 500 : 200,
      kills: Math.ceil(Number(values.kills) * scale),
      seed,
      canOmitMembers,
      executable,
      keepsDifferent: true,
    });
    row(
      `${figures.kills} ${what}, killed once`,
      `${figures.interrupted} before their end: ${figures.stages.join(', ')}`,
      `${figures.tables} tables compared, different: ${figures.differences.join(', ') || 'none'}`,
    );
  }
}

async function costs(): Promise<void> {
  const sizes = [10, 1000, Math.ceil(40_000 * scale)];
  const messages = Math.ceil(400 * scale);
  const found = await messageCosts({ sizes, rounds: 5, messages, executable: values.executable, prefix: pinned(0) });
  const medians = found.map(({ cpuSeconds }) => cpuSeconds[Math.floor(cpuSeconds.length / 2)] ?? Number.NaN);
  const mean = medians.reduce((sum, each) => sum + each, 0) / medians.length;
  for (const [index, { members, cpuSeconds, last }] of found.entries()) {
    const median = medians[index] ?? Number.NaN;
    row(
      `5 turns of ${messages} messages in a room of ${members} members, 5 of them ours`,
      `median ${median.toFixed(2)} CPU-s/1,000 (${cpuSeconds.map((each) => each.toFixed(2)).join(', ')})`,
      `${((median / mean) * 100).toFixed(0)} % of the mean`,
      `RSS ${mib(last.rssMib)}`,
      `missed ${last.missed}, doubled ${last.doubled}`,
    );
  }
}

async function fanOuts(): Promise<void> {
  const servers = Number(values.servers);
  if (servers >= 1000) return crowds(servers);
  const messages = Math.ceil(300 * scale);
  const figures = await fanOut({ servers, messages, executable: values.executable, prefix: pinned(0) });
  row(
    `${messages} messages to ${servers} servers`,
    `${figures.messagesPerSecond.toFixed(1)} msg/s`,
    `${figures.cpuSecondsPerThousandDeliveries.toFixed(2)} CPU-s/1,000 deliveries`,
    `${figures.eventsPerTransaction.toFixed(1)} events a transaction, ${figures.connections} connections`,
    `peak RSS ${mib(figures.peakRssMib)}, then ${mib(figures.rssMib)}, unreclaimable ${mib(figures.anonymousMib)}`,
  );
}

async function crowds(servers: number): Promise<void> {
  const messages = Math.ceil(20 * scale);
  const members = Math.ceil(Number(values.members));
  for await (const part of crowd({ members, servers, messages, executable: values.executable, prefix: pinned(0) })) {
    const { deliveries, seconds, cpuSeconds } = part;
    row(
      `${messages} messages to ${servers} servers, ${part.what}`,
      `${deliveries} deliveries in ${seconds.toFixed(1)} s`,
      `${((cpuSeconds * 1000) / deliveries).toFixed(2)} CPU-s/1,000 deliveries, ${((cpuSeconds * 1000) / messages).toFixed(0)} ms a message`,
      `peak RSS ${mib(part.peakRssMib)}`,
      `at most ${part.peakFiles} files and sockets, ${part.peakConnections} connections`,
    );
  }
}

async function encryption(): Promise<void> {
  const tell = ({ what, milliseconds, cpuSeconds, bytes, peakRssMib, after }: Figure): void =>
    row(
      what,
      `${milliseconds.toFixed(0)} ms, CPU ${cpuSeconds.toFixed(2)} s`,
      bytes === undefined ? '' : `${(bytes / 1024).toFixed(0)} KiB`,
      `peak RSS ${mib(peakRssMib)}, then ${mib(after.rssMib)}, unreclaimable ${mib(after.anonymousMib)}`,
    );
  const options = { executable: values.executable, prefix: pinned(0) };
  for await (const figure of tracked(Math.ceil(200 * scale), options)) tell(figure);
  const parts = [
    (server: ServerProcess) => queued(server, Math.ceil(10_000 * scale)),
    (server: ServerProcess) => backup(server, Math.ceil(100_000 * scale)),
    async function* (server: ServerProcess) {
      yield await ownClaim(server, Math.ceil(500 * scale));
    },
  ];
  for (const part of parts) {
    const server = await start();
    for await (const figure of part(server)) tell(figure);
    await server.stop();
    await server.remove();
  }
}

async function register(server: ServerProcess, count: number): Promise<Person[]> {
  const people: Person[] = [];
  for (let i = 0; i < count; i++) people.push(await Person.register(server.port, `user${i}`));
  return people;
}

async function commonRoom(people: readonly Person[]): Promise<string> {
  const [first, ...others] = people as [Person, ...Person[]];
  const room = await first.createRoom({ preset: 'public_chat' });
  for (const person of others) await person.join(room);
  return room;
}

const mib = (value: number): string => `${value.toFixed(1)} MiB`;
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

pinSelf(1);
dropFromCache(values.executable);
console.log(
  `${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores ${cpus()[0]?.model ?? ''}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
);
const parts: Record<string, () => Promise<void>> = {
  idle,
  chat: chats,
  sync: syncs,
  disk,
  search: searches,
  inbound: incoming,
  giant: giants,
  'giant-kills': kills,
  extremes: hardRooms,
  floods: allFloods,
  resolution: largeStates,
  estimates,
  'fan-out': fanOuts,
  cost: costs,
  e2ee: encryption,
};
for (const name of values.only) await parts[name]?.();
