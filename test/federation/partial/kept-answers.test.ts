import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import type { Readings } from '../../../src/governor/readings.ts';
import { stateOf } from '../../support/federation/room-comparison.ts';
import type { ScriptedServer } from '../../support/federation/scripted-server.ts';
import { Universe } from '../../support/servers/universe.ts';
import { tempFolder } from '../../support/store.ts';
import { nothingIsLeft } from '../joining/joining-world.ts';
import { PartialStage, statePath } from './partial-world.ts';

const keyPath = '/_matrix/key/v2/server';
/** With all of them an answer is worth keeping. */
const crowd = 600;

/** A room of many members with much to say about themselves, whose second server keeps its keys back. */
async function crowded(universe: Universe, omits: boolean): Promise<{ stage: PartialStage; goOn: () => void }> {
  const stage = await PartialStage.open(universe);
  stage.room.omitsMembers = omits;
  for (let n = 0; n < crowd; n++) {
    const by = n % 2 === 0 ? stage.x : stage.y;
    const sender = by.user(`p${n}`);
    const content = { membership: 'join', displayname: `${n} `.repeat(600) };
    stage.room.add({ type: 'm.room.member', sender, stateKey: sender, content, by });
  }
  const { promise, resolve } = Promise.withResolvers<void>();
  stage.y.on('GET', keyPath, () => promise.then(() => stage.y.publishedKeys()));
  return { stage, goOn: resolve };
}

const mib = 1024 * 1024;
const readings = (disk: { readonly free: number }): Readings => ({
  memory: () => ({ rss: 70 * mib, pressure: 0 }),
  disk: () => ({ free: disk.free, total: 16_000 * mib }),
});

const asked = (universe: Universe, server?: string) =>
  universe.calls.filter(({ to, uri }) => (server ?? to) === to && uri.includes('/v1/state/')).length;

const folder = (stage: PartialStage) => join(stage.world.dataDir, 'spool');
const files = (stage: PartialStage, end: string) =>
  (existsSync(folder(stage)) ? readdirSync(folder(stage)) : [])
    .filter((name) => name.endsWith(end))
    .map((name) => join(folder(stage), name));

/** Until what has come of the room would outlive the process. */
const kept = (stage: PartialStage) =>
  stage.universe.until(() => files(stage, '.db.json').length === 1, 'that the answer is kept');

function isWhole(stage: PartialStage): void {
  const after = stage.room.entries.get(stage.room.ends[0] as never)?.after ?? new Map();
  const ids = Object.values(stateOf(stage.world, stage.room.roomId)).toSorted();
  assert.deepEqual(ids, [...after.values()].toSorted());
  assert.equal(stage.world.hs.stores.roomState.info(stage.known.nid)?.joined, crowd + 21);
  nothingIsLeft(stage.world);
}

const never = (server: ScriptedServer) => server.on('GET', statePath, () => new Promise(() => undefined));

/** Changes what is kept while the server is off. */
async function meanwhile(stage: PartialStage, change: () => void): Promise<void> {
  await stage.universe.stop('a.test');
  stage.y.on('GET', keyPath, () => stage.y.publishedKeys());
  change();
  await stage.universe.start('a.test');
}

function changeNote(stage: PartialStage, fields: object): void {
  for (const file of files(stage, '.json')) {
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...fields }));
  }
}

function changeByte(stage: PartialStage, at: (size: number) => number): void {
  for (const file of files(stage, '.db')) {
    const bytes = readFileSync(file);
    const place = at(bytes.length);
    bytes[place] = (bytes[place] ?? 0) ^ 1;
    writeFileSync(file, bytes);
  }
}

const damages: readonly (readonly [what: string, (stage: PartialStage) => void])[] = [
  ['with a page that never reached the disk', (stage) => changeByte(stage, (size) => size - 5000)],
  ['with a damaged head', (stage) => changeByte(stage, () => 30)],
  ['that is cut off', (stage) => files(stage, '.db').forEach((file) => truncateSync(file, 4096 * 20))],
  ['that is empty', (stage) => files(stage, '.db').forEach((file) => truncateSync(file))],
  ['without a note', (stage) => files(stage, '.json').forEach((file) => rmSync(file))],
  ['with half a note', (stage) => files(stage, '.json').forEach((file) => truncateSync(file, 60))],
  ['of a program that wrote it in another form', (stage) => changeNote(stage, { format: 0 })],
  ['of another join', (stage) => changeNote(stage, { joinEvent: `$${'A'.repeat(43)}` })],
  ['that has ended so many processes', (stage) => changeNote(stage, { taken: 5 })],
];

describe('a large answer that is complete', () => {
  for (const omits of [false, true]) {
    const which = omits ? 'to a question for the members' : 'to a join';
    const before = omits ? 1 : 0;
    const moments = [0, 1, crowd / 2] as const;
    for (const moment of moments) {
      it(`${which} is not asked for again after a crash when ${moment} of its events are stored`, async () => {
        await using universe = await Universe.open(['a.test']);
        const { stage, goOn } = await crowded(universe, omits);
        await stage.join();
        await kept(stage);
        const { partialRooms } = stage.world.hs.stores;
        const write = partialRooms.progress.bind(partialRooms);
        let crash: Promise<void> | undefined;
        partialRooms.progress = (room, progress) => {
          write(room, progress);
          if (progress.events > moment) crash ??= universe.crash('a.test');
        };
        if (moment === 0) crash = universe.crash('a.test');
        goOn();
        await universe.until(() => crash !== undefined, 'that it comes so far');
        await crash;
        await stage.complete();
        isWhole(stage);
        assert.equal(asked(universe), before);
      });
    }

    it(`${which} is not asked for again after a restart`, async () => {
      await using universe = await Universe.open(['a.test']);
      const { stage } = await crowded(universe, omits);
      await stage.join();
      await kept(stage);
      await meanwhile(stage, () => assert.equal(files(stage, '').length, 2));
      await stage.complete();
      isWhole(stage);
      assert.equal(asked(universe), before);
    });
  }

  for (const [what, damage] of damages) {
    it(`is thrown away ${what}: another one is fetched`, async () => {
      await using universe = await Universe.open(['a.test']);
      const { stage } = await crowded(universe, false);
      await stage.join();
      await kept(stage);
      await meanwhile(stage, () => damage(stage));
      await stage.complete();
      isWhole(stage);
      assert.equal(asked(universe), 1);
    });
  }

  it('is thrown away if it is damaged, and another server asked when the first one never answers again', async () => {
    await using universe = await Universe.open(['a.test']);
    const { stage } = await crowded(universe, false);
    await stage.join();
    await kept(stage);
    await meanwhile(stage, () => {
      changeByte(stage, (size) => size / 2);
      never(stage.x);
    });
    await universe.until(() => asked(universe, 'x.test') === 1, 'that the first one is asked');
    universe.clock.advance(120_000);
    await stage.complete();
    isWhole(stage);
    assert.deepEqual([asked(universe, 'x.test'), asked(universe, 'y.test')], [1, 1]);
  });

  it('needs nobody to answer again', async () => {
    await using universe = await Universe.open(['a.test']);
    const { stage } = await crowded(universe, true);
    await stage.join();
    await kept(stage);
    await meanwhile(stage, () => {
      never(stage.x);
      never(stage.y);
    });
    await stage.complete();
    isWhole(stage);
  });

  it('is thrown away after a week', async () => {
    await using universe = await Universe.open(['a.test']);
    const { stage } = await crowded(universe, false);
    await stage.join();
    await kept(stage);
    await meanwhile(stage, () => universe.clock.advance(8 * 24 * 3_600_000));
    await stage.complete();
    assert.equal(asked(universe), 1);
    nothingIsLeft(stage.world);
  });

  it('is gone once the room is complete, or has been left', async () => {
    await using universe = await Universe.open(['a.test']);
    const { stage } = await crowded(universe, false);
    await stage.join();
    await kept(stage);
    using copies = tempFolder();
    await meanwhile(stage, () => cpSync(folder(stage), copies.path, { recursive: true }));
    await stage.complete();
    nothingIsLeft(stage.world);
    await meanwhile(stage, () => cpSync(copies.path, folder(stage), { recursive: true }));
    nothingIsLeft(stage.world);
    assert.equal((await stage.alice.leave(stage.room.roomId)).status, 200);
    await meanwhile(stage, () => cpSync(copies.path, folder(stage), { recursive: true }));
    nothingIsLeft(stage.world);
  });

  it('is gone when the last user leaves before it was taken over', async () => {
    await using universe = await Universe.open(['a.test']);
    const { stage } = await crowded(universe, false);
    await stage.join();
    await kept(stage);
    assert.equal((await stage.alice.leave(stage.room.roomId)).status, 200);
    await universe.until(() => files(stage, '').length === 0, 'that it is removed');
  });

  it('is held against the limits again: of a room that is larger than allowed nothing stays', async () => {
    await using universe = await Universe.open(['a.test']);
    const { stage } = await crowded(universe, false);
    await stage.join();
    await kept(stage);
    await meanwhile(stage, () => changeNote(stage, { members: 10_000_000 }));
    const { roomState } = stage.world.hs.stores;
    await universe.until(() => roomState.localJoined(stage.known.nid).length === 0, 'that it is left');
    await universe.until(() => files(stage, '').length === 0, 'that it is removed');
    assert.equal(asked(universe), 0);
  });

  it('goes first when the disk gets full, and another one is fetched when there is space again', async () => {
    const disk = { free: 4000 * mib };
    await using universe = await Universe.open(['a.test'], {}, { readings: readings(disk) });
    const { stage } = await crowded(universe, false);
    await stage.join();
    await kept(stage);
    await meanwhile(stage, () => (disk.free = mib));
    await universe.until(() => files(stage, '').length === 0, 'that it is removed');
    assert.ok(stage.isPartial);
    assert.equal(stage.world.hs.stores.roomState.localJoined(stage.known.nid).length, 1);
    disk.free = 4000 * mib;
    universe.clock.advance(2000);
    universe.clock.advance(60_000);
    await stage.complete();
    isWhole(stage);
    assert.equal(asked(universe), 1);
  });
});

describe('a large answer that is not complete', () => {
  it('is broken off when the disk gets full: the room stays, and is asked for when there is space again', async () => {
    const disk = { free: 4000 * mib };
    await using universe = await Universe.open(['a.test'], {}, { readings: readings(disk) });
    const { stage, goOn } = await crowded(universe, true);
    goOn();
    let isHalf = false;
    const { promise, resolve } = Promise.withResolvers<void>();
    stage.x.on('GET', statePath, ({ query }) => {
      const text = JSON.stringify(stage.room.stateBefore(query.get('event_id')));
      async function* halved(): AsyncGenerator<Buffer> {
        yield Buffer.from(text.slice(0, text.length / 2));
        isHalf = true;
        await promise;
        yield Buffer.from(text.slice(text.length / 2));
      }
      return { status: 200, headers: {}, body: Readable.from(halved()) };
    });
    await stage.join();
    await universe.until(() => isHalf, 'that half of it has come');
    disk.free = mib;
    universe.clock.advance(2000);
    resolve();
    await universe.until(() => files(stage, '').length === 0, 'that nothing of it stays');
    assert.ok(stage.isPartial);
    assert.equal(stage.world.hs.stores.roomState.localJoined(stage.known.nid).length, 1);
    disk.free = 4000 * mib;
    universe.clock.advance(2000);
    universe.clock.advance(60_000);
    await stage.complete();
    isWhole(stage);
    assert.equal(asked(universe), 2);
  });
});
