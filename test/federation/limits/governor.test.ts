import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { type OutputOf, runOperation } from '../../../src/admin/operations.ts';
import { type Readings, systemReadings } from '../../../src/governor/readings.ts';
import { MatrixError } from '../../../src/protocol/errors.ts';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import { signRequest } from '../../../src/protocol/signing/request.ts';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import { Universe } from '../../support/servers/universe.ts';
import { World } from '../../support/servers/world.ts';
import { Guest } from '../joining/joining-world.ts';

const mib = 1024 * 1024;

/** A server whose memory and disk are what the test says. */
async function stage() {
  const state = { rss: 70, free: 4000, total: 16_000 };
  const readings: Readings = {
    memory: () => ({ rss: state.rss * mib, pressure: 0 }),
    disk: () => ({ free: state.free * mib, total: state.total * mib }),
  };
  const universe = await Universe.open(['a.test'], { memory: { budget_mb: 200 } }, { readings });
  const set = (change: Partial<typeof state>) => {
    Object.assign(state, change);
    universe.clock.advance(2_000);
  };
  const alice = await Guest.register(universe.world('a.test'), 'alice');
  const room = ScriptedRoom.create(universe.script('b.test'), '11').serve();
  return {
    universe,
    world: universe.world('a.test'),
    set,
    /** Makes the disk a small one. */
    shrink: () => set({ total: 400, free: 300 }),
    alice,
    room,
    [Symbol.asyncDispose]: () => universe[Symbol.asyncDispose](),
  };
}

const transaction = (clock: { now(): number }) => ({ origin: 'b.test', origin_server_ts: clock.now(), pdus: [] });

describe('with next to no memory', () => {
  it('other servers are told to come back, and rooms are not entered; what people do in theirs goes on', async () => {
    await using stood = await stage();
    const { universe, set, alice, room } = stood;
    const own = await alice.createRoom();
    const { next_batch: since } = await alice.ok('GET', '/sync?timeout=0');
    set({ rss: 210 });
    const send = (id: string) =>
      room.server.request('a.test', 'PUT', `/_matrix/federation/v1/send/${id}`, transaction(universe.clock));
    const refused = await send('one');
    assert.equal(refused.status, 429);
    const join = await alice.join(room.roomId, ['b.test']);
    assert.deepEqual([join.status, join.json.errcode], [429, 'M_LIMIT_EXCEEDED']);
    assert.ok(join.json.retry_after_ms > 0);
    await alice.say(own, 'still here');
    await alice.ok('GET', `/sync?timeout=0&since=${since}`);
    set({ rss: 100 });
    assert.equal((await send('one')).status, 200);
    assert.equal((await alice.join(room.roomId, ['b.test'])).status, 200);
  });

  it('what other servers send is not even read', async () => {
    await using stood = await stage();
    const { set, universe, world, room } = stood;
    set({ rss: 210 });
    let read = 0;
    async function* body() {
      for (; read < 100; read++) yield Buffer.alloc(64 * 1024, 'x');
    }
    const uri = '/_matrix/federation/v1/send/large';
    const signed = { method: 'PUT', uri, origin: room.server.name, destination: asServerName('a.test') };
    const answer = await world.hs.app.handle({
      method: 'PUT',
      url: uri,
      headers: { authorization: signRequest({ ...signed, content: {} }, room.server.key) },
      stream: Readable.from(body()),
      ip: '192.0.2.9',
      signal: new AbortController().signal,
    });
    assert.equal(answer.status, 429);
    assert.equal(read, 0);
    set({ rss: 100 });
    assert.equal((await room.server.request('a.test', 'PUT', uri, transaction(universe.clock))).status, 200);
  });

  it('large answers are put off with a time to come back; small ones are given', async () => {
    await using stood = await stage();
    const { set, alice, room } = stood;
    const own = await alice.createRoom();
    const here = `/rooms/${encodeURIComponent(own)}`;
    const { next_batch: since } = await alice.ok('GET', '/sync?timeout=0');
    set({ rss: 210 });
    for (const path of ['/sync?timeout=0', `${here}/members`, `${here}/state`]) {
      const { status, json } = await alice.call('GET', path);
      assert.deepEqual([path, status, json.errcode], [path, 429, 'M_LIMIT_EXCEEDED']);
      assert.ok(json.retry_after_ms > 0);
    }
    const state = `/_matrix/federation/v1/state_ids/${encodeURIComponent(own)}?event_id=%24x`;
    assert.equal((await room.server.request('a.test', 'GET', state)).status, 429);
    await alice.ok('GET', `/sync?timeout=0&since=${since}`);
    await alice.ok('GET', `${here}/state/m.room.create/`);
    set({ rss: 100 });
    await alice.ok('GET', `${here}/members`);
  });

  it('a join that is under way is parked, and goes on when there is more', async () => {
    await using stood = await stage();
    const { universe, set, alice, room } = stood;
    let asked = false;
    // When its keys are needed, its events are in the spool.
    room.server.on('GET', '/_matrix/key/v2/server', () => {
      asked = true;
      set({ rss: 210 });
      return room.server.publishedKeys();
    });
    const answers: number[] = [];
    const joined = alice.join(room.roomId, ['b.test']).then(({ status }) => answers.push(status));
    await universe.until(() => asked);
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.deepEqual(answers, []);
    set({ rss: 100 });
    await joined;
    assert.deepEqual(answers, [200]);
  });

  it('shows itself in hearth db stats', async () => {
    await using stood = await stage();
    stood.set({ rss: 180 });
    const stats = (await runOperation(stood.world.hs.admin, 'db/stats', {})) as OutputOf<'db/stats'>;
    assert.deepEqual(stats.memory, {
      level: 'tight',
      rss_bytes: 180 * mib,
      budget_bytes: 200 * mib,
      pressure_percent: 0,
    });
    assert.deepEqual(stats.disk, { level: 'easy', free_bytes: 4000 * mib });
  });
});

describe('with little memory', () => {
  it('SQLite’s page cache is halved, and is whole again afterwards', async () => {
    await using stood = await stage();
    const { world, set } = stood;
    const cache = () => world.hs.db.prepare<[], number>('PRAGMA cache_size').pluck().get();
    const whole = cache() ?? 0;
    set({ rss: 180 });
    assert.equal(cache(), whole / 2);
    set({ rss: 210 });
    assert.equal(cache(), -1024);
    set({ rss: 100 });
    assert.equal(cache(), whole);
  });
});

describe('how much is done at a time', () => {
  /** Rooms of three other servers, each of which answers questions of this kind only when it is told to. */
  async function three(question: (room: ScriptedRoom) => string) {
    const stood = await stage();
    const waiting: (() => void)[] = [];
    const rooms = Array.from({ length: 3 }, (_, index) => {
      const server = stood.universe.script(`s${index}.test`);
      const room = ScriptedRoom.create(server, '10');
      room.add({ type: 'm.room.message', content: { body: 'before', msgtype: 'm.text' } });
      room.serve();
      return room;
    });
    const hold = (): void => {
      for (const room of rooms) {
        room.server.on('GET', question(room), async () => {
          await new Promise<void>((resolve) => waiting.push(resolve));
          throw new MatrixError(403, 'M_FORBIDDEN', 'not today');
        });
      }
    };
    /** How many wait for an answer once no more come. */
    const atOnce = async (asked: readonly Promise<unknown>[]): Promise<number> => {
      for (let turns = 0; turns < 100; turns++) await new Promise((resolve) => setTimeout(resolve, 1));
      const most = waiting.length;
      let left = asked.length;
      for (const each of asked) void each.then(() => left--);
      await stood.universe.until(() => {
        for (const go of waiting.splice(0)) go();
        return left === 0;
      });
      return most;
    };
    return {
      ...stood,
      rooms,
      hold,
      atOnce,
      join: (room: ScriptedRoom) => stood.alice.join(room.roomId, [room.server.name]),
      [Symbol.asyncDispose]: () => stood[Symbol.asyncDispose](),
    };
  }

  it('is fewer rooms entered while memory is tight', async () => {
    await using held = await three(({ roomId }) => `/_matrix/federation/v1/make_join/${roomId}/{}`);
    const { rooms, hold, atOnce, join, set } = held;
    hold();
    assert.equal(await atOnce(rooms.map(join)), 2);
    set({ rss: 180 });
    assert.equal(await atOnce(rooms.map(join)), 1);
  });

  it('is fewer histories fetched while memory is tight', async () => {
    await using held = await three(({ roomId }) => `/_matrix/federation/v1/backfill/${roomId}`);
    const { rooms, hold, atOnce, join, set, alice } = held;
    for (const room of rooms) assert.equal((await join(room)).status, 200);
    hold();
    const read = ({ roomId }: ScriptedRoom) =>
      alice.ok('GET', `/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=50`);
    assert.equal(await atOnce(rooms.map(read)), 3);
    set({ rss: 180 });
    held.universe.clock.advance(120_000);
    set({ rss: 181 });
    assert.equal(await atOnce(rooms.map(read)), 1);
  });
});

describe('with little space on the disk', () => {
  it('history of other servers is not fetched, and files of theirs are not', async () => {
    await using stood = await stage();
    const { set, alice, room, universe, world } = stood;
    room.add({ type: 'm.room.message', content: { body: 'before', msgtype: 'm.text' } });
    assert.equal((await alice.join(room.roomId, ['b.test'])).status, 200);
    set({ free: 200 });
    const asked = () => universe.calls.filter(({ uri }) => /backfill|media/.test(uri)).length;
    const path = `/rooms/${encodeURIComponent(room.roomId)}/messages?dir=b&limit=50`;
    await alice.ok('GET', path);
    const token = await world.register('bob');
    const file = await world.call('GET', '/_matrix/client/v1/media/download/b.test/file', { token });
    assert.deepEqual([file.status, file.json.errcode], [507, 'M_RESOURCE_LIMIT_EXCEEDED']);
    assert.equal(asked(), 0);
    set({ free: 4000 });
    await alice.ok('GET', path);
    assert.ok(asked() > 0);
  });
});

describe('with less space on the disk than a room takes', () => {
  it('it is not joined, and the answer says so', async () => {
    await using stood = await stage();
    const { set, alice, room } = stood;
    const told = { v1: 80, hearth: { members: 40_000, servers: 500, state_events: 40_000 } };
    room.server.on('GET', '/_matrix/federation/unstable/rooms/{}/complexity', () => told);
    stood.world.hs.services.rooms.limits.use({ ...stood.world.hs.services.rooms.limits.settings, maxMembers: 100_000 });
    // A disk on which there is enough for everything else.
    stood.shrink();
    set({ free: 80 });
    const { status, json } = await alice.join(room.roomId, ['b.test']);
    assert.deepEqual([status, json.errcode, json.resource], [507, 'M_RESOURCE_LIMIT_EXCEEDED', 'disk']);
    assert.match(json.error, /takes up to 91 MB on the way, and 84 MB are free$/);
    set({ free: 100 });
    assert.equal((await alice.join(room.roomId, ['b.test'])).status, 200);
  });
});

describe('with next to no space on the disk', () => {
  it('writes are refused with a clear error; reading, leaving and signing out go on', async () => {
    await using stood = await stage();
    const { set, alice, universe, room } = stood;
    const own = await alice.createRoom();
    set({ free: 50 });
    const here = `/rooms/${encodeURIComponent(own)}`;
    const refused = await alice.call('PUT', `${here}/send/m.room.message/1`, { msgtype: 'm.text', body: 'no' });
    assert.deepEqual([refused.status, refused.json.errcode], [507, 'M_RESOURCE_LIMIT_EXCEEDED']);
    assert.match(refused.json.error, /disk of this server is nearly full/);
    assert.ok(refused.json.admin_contact);
    assert.equal((await alice.join(room.roomId, ['b.test'])).status, 507);
    const path = '/_matrix/federation/v1/send/one';
    assert.equal((await room.server.request('a.test', 'PUT', path, transaction(universe.clock))).status, 429);
    await alice.sync();
    await alice.ok('POST', '/search', { search_categories: { room_events: { search_term: 'x' } } });
    await alice.ok('POST', `${here}/leave`, {});
    set({ free: 4000 });
    await alice.createRoom();
    await alice.ok('POST', '/logout', {});
  });

  it('a purge still makes room, on a real disk of 24 MB', async (t) => {
    using disk = smallDisk(24);
    if (disk === undefined) return t.skip('no file system can be mounted here');
    await using world = await World.open({ data_dir: disk.path }, { readings: systemReadings(disk.path) });
    const alice = await Guest.register(world, 'alice');
    const room = await alice.createRoom();
    const path = (i: number) => `/rooms/${encodeURIComponent(room)}/send/m.room.message/${i}`;
    // Something else on the disk, so that it is soon full.
    writeFileSync(join(disk.path, 'other'), Buffer.alloc(11 * mib));
    let last = 200;
    for (let i = 0; last === 200; i++) {
      assert.ok(i < 2000, 'the disk gets full');
      const body = Array.from({ length: 3900 }, (_value, j) => Math.sin(i * 1000 + j).toString(36)).join(' ');
      last = (await alice.call('PUT', path(i), { msgtype: 'm.text', body })).status;
      world.clock.advance(2_000);
    }
    assert.equal(last, 507, 'refused before SQLite has to');
    await alice.ok('POST', `/rooms/${encodeURIComponent(room)}/leave`, {});
    await runOperation(world.hs.admin, 'room/purge', { room });
    world.clock.advance(62_000);
    while (world.hs.services.rooms.purges.slice());
    while (world.hs.db.vacuumSome(200) > 0);
    await world.stop();
    await world.start();
    world.clock.advance(2_000);
    assert.notEqual(world.hs.admin.governor.condition.disk, 'critical');
    const next = await alice.createRoom();
    await alice.say(next, 'there is room again');
  });
});

/** A file system of its own, in a file or else in memory; `undefined` where neither is allowed. */
function smallDisk(megabytes: number): (Disposable & { readonly path: string }) | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-disk-'));
  const path = join(folder, 'mounted');
  mkdirSync(path);
  if (
    !mountFile(join(folder, 'image'), path, megabytes) &&
    !mounts('-t', 'tmpfs', '-o', `size=${megabytes}m`, 'hearth', path)
  ) {
    rmSync(folder, { recursive: true });
    return undefined;
  }
  return {
    path,
    [Symbol.dispose]() {
      execFileSync('umount', [path], { stdio: 'ignore' });
      rmSync(folder, { recursive: true });
    },
  };
}

function mountFile(image: string, path: string, megabytes: number): boolean {
  try {
    writeFileSync(image, '');
    truncateSync(image, megabytes * mib);
    execFileSync('mkfs.ext4', ['-q', '-m', '0', '-O', '^has_journal', image], { stdio: 'ignore' });
  } catch {
    return false;
  }
  return mounts('-o', 'loop', image, path);
}

function mounts(...words: string[]): boolean {
  try {
    execFileSync('mount', words, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
