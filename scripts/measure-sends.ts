/**
 * Measures what one message costs from the domain's door to the end of its transaction, and where the time goes:
 * `node --import ./build/text-imports.mjs scripts/measure-sends.ts [messages] [members]`. With `--cpu-prof` a profile
 * is written as well. Disk waits are left out: a transaction holds many messages.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asKeyId } from '../src/protocol/ids/key-id.ts';
import { asServerName } from '../src/protocol/ids/server-name.ts';
import type { DeviceId, UserId } from '../src/protocol/ids/types.ts';
import { SigningKey } from '../src/protocol/signing/keys.ts';
import { EventObservers } from '../src/rooms/input/event-observers.ts';
import { createRooms } from '../src/rooms/rooms.ts';
import { Database } from '../src/store/db.ts';
import type { DeviceNid } from '../src/store/nids.ts';
import { openStores } from '../src/store/stores.ts';
import { Notifier } from '../src/streams/notifier.ts';
import { Streams } from '../src/streams/streams.ts';
import type { Requester } from '../src/users/login/requester.ts';
import { systemClock } from '../src/util/clock.ts';
import { silentLog } from '../src/util/log.ts';
import { systemRandom } from '../src/util/random.ts';
import { alone } from '../test/support/servers/alone.ts';

const [messages = 5000, members = 10] = process.argv.slice(2).map(Number);
const folder = mkdtempSync(join(tmpdir(), 'hearth-measure-'));
const db = Database.open({ file: join(folder, 'hearth.db'), cacheKib: 16_384, clock: systemClock, log: silentLog });
const serverName = asServerName('localhost');
const stores = openStores(db, serverName);
const notifier = new Notifier({ localUsers: stores.localUsers, clock: systemClock });
const streams = new Streams({ db, positions: stores.positions, notifier, log: silentLog });
const key = new SigningKey(asKeyId('ed25519:a'), Buffer.alloc(32, 7));
const rooms = createRooms({
  ...alone({ db, stores, clock: systemClock, random: systemRandom, folder, key }),
  db,
  stores,
  streams,
  clock: systemClock,
  random: systemRandom,
  signer: { serverName, key },
  people: {
    exists: () => true,
    profile: () => ({}),
    blocksInvites: () => false,
    isErased: () => false,
    ignored: () => new Set(),
  },
  settings: { defaultVersion: '12', publicDirectory: 'members' },
  observers: new EventObservers(),
  // Nothing is looked up elsewhere.
  remoteDirectory: { resolveAlias: () => Promise.reject(new Error('no other servers')) },
});

function person(name: string): Requester {
  const userId = `@${name}:localhost` as UserId;
  return {
    user: db.write(() => stores.interning.user(userId)),
    userId,
    device: 1 as DeviceNid,
    deviceId: 'D' as DeviceId,
    admin: false,
    guest: false,
    tokenHash: Buffer.alloc(32),
  };
}

function report(what: string, count: number, started: number, cpu: NodeJS.CpuUsage): void {
  const wall = ((performance.now() - started) * 1000) / count;
  const used = process.cpuUsage(cpu);
  const perOne = (used.user + used.system) / count;
  process.stdout.write(`${what}: ${wall.toFixed(0)} µs each (${perOne.toFixed(0)} µs of CPU)\n`);
}

const people = Array.from({ length: members }, (_, at) => person(`u${at}`));
const [creator] = people as [Requester];
const roomId = await rooms.creation.createRoom(creator, {
  visibility: 'private',
  preset: 'public_chat',
  invite: [],
  isDirect: false,
  version: '12',
  creationContent: {},
  initialState: [],
  powerLevelOverride: {},
});
let started = performance.now();
let cpu = process.cpuUsage();
for (const one of people) await rooms.membership.join(one, roomId);
report('join, one commit and sync each', members, started, cpu);

const body = 'A message of about the length that people write to each other in a chat.';
async function send(count: number, atOnce: number, tag: string): Promise<void> {
  for (let at = 0; at < count; at += atOnce) {
    const batch = Array.from({ length: atOnce }, (_, i) =>
      rooms.sending.send(
        people[(at + i) % members] as Requester,
        roomId,
        { type: 'm.room.message', content: { msgtype: 'm.text', body: `${body} ${at + i}` } },
        { txnId: `${tag}${at + i}` },
      ),
    );
    await Promise.all(batch);
  }
}

await send(500, 50, 'warm');
for (const atOnce of [50, 10, 1]) {
  started = performance.now();
  cpu = process.cpuUsage();
  await send(messages, atOnce, `${atOnce}-`);
  report(`send, ${atOnce} at once`, messages, started, cpu);
}

const newest = stores.timeline.newest((stores.interning.findRoom(roomId) ?? 0) as never, 1000).events;
const rows = stores.events.rows(newest.map(({ event }) => event));
for (const round of ['first reader', 'second reader']) {
  started = performance.now();
  cpu = process.cpuUsage();
  const view = rooms.visibility.view(rooms.known.get(roomId).nid, creator.user);
  for (const row of rows) {
    if (view.mayRead(row)) rooms.clientEvents.text(row, { view, device: creator.device, withRoomId: false });
  }
  report(`see and write one event, ${round}`, rows.length, started, cpu);
}

await db.close();
rmSync(folder, { recursive: true });
