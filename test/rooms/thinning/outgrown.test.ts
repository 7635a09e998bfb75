import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { type OutputOf, runOperation } from '../../../src/admin/operations.ts';
import { checkConsistency } from '../../../src/store/check.ts';
import { Sweep, type SweptKind } from '../../../src/store/sweep.ts';
import { silentLog } from '../../../src/util/log.ts';
import { World } from '../../support/servers/world.ts';
import { Account, day, pass } from './old-room.ts';

const minute = 60_000;

const ledgerOf = (world: World) => runOperation(world.hs.admin, 'room/ledger', {}) as Promise<OutputOf<'room/ledger'>>;

/** Lets the hourly look at all rooms take place, and what follows from it. */
async function watch(world: World): Promise<void> {
  const { thinning } = world.hs.services.rooms;
  world.clock.advance(61 * minute);
  for (let i = 0; i < 200; i++) await new Promise(setImmediate);
  for (let i = 0; i < 200 && thinning.slice(); i++);
}

async function large(settings: Record<string, unknown>, warned: unknown[] = []) {
  const warn = (event: string, fields?: unknown) => void warned.push([event, fields]);
  const log = { ...silentLog, warn, child: () => log };
  const world = await World.open({ limits: { room: settings } }, { log });
  const alice = await Account.of(world, 'alice');
  const { room_id: room } = await alice.ok('POST', '/createRoom', { preset: 'public_chat' });
  const talk = async (count: number) => {
    for (let i = 0; i < count; i++) await alice.say(room, randomBytes(4000).toString('base64'));
  };
  const messages = () => world.hs.db.prepare('SELECT count(*) FROM event WHERE type = 40').pluck().get() as number;
  return { world, alice, room: room as string, talk, messages };
}

describe('limits.room.when_outgrown = "thin"', () => {
  it('deletes the oldest messages down to what fits, and begins again only when it is measured above once more', async () => {
    const warned: [string, { action: string }][] = [];
    const { world, room, talk, messages } = await large({ max_disk_mb: 4, when_outgrown: 'thin' }, warned);
    await using _ = world;
    await talk(720);
    const [before] = (await ledgerOf(world)).rooms;
    assert.ok(before !== undefined && before.bytes > 4e6 && before.above.length === 1);
    await watch(world);
    assert.equal(messages(), 720, 'nothing of the last seven days goes');
    pass(world, 8);
    await ledgerOf(world);
    await watch(world);
    const left = messages();
    assert.ok(left >= 500 && left < 650, `${left} messages are left`);
    const [after] = (await ledgerOf(world)).rooms;
    assert.ok(after !== undefined && after.bytes < 0.9 * before.bytes, `${after?.bytes} of ${before.bytes}`);
    assert.deepEqual(after.above, []);
    await watch(world);
    pass(world, 8);
    await watch(world);
    assert.equal(messages(), left);
    assert.deepEqual(warned.filter(([event]) => event === 'limits.room_outgrown').map(([, { action }]) => action), ['warn', 'thin']); // biome-ignore format: short
    await runOperation(world.hs.admin, 'room/exempt', { room });
    assert.deepEqual(checkConsistency(world.hs.db, world.name), []);
  });

  it('does once what it can where history is not what is too much', async () => {
    const warned: [string, { action: string }][] = [];
    const { world, talk, messages } = await large({ max_state_events: 2, when_outgrown: 'thin' }, warned);
    await using _ = world;
    await talk(520);
    pass(world, 30);
    await talk(5);
    await watch(world);
    const left = messages();
    assert.ok(left <= 500 && left > 480, `${left} are left`);
    pass(world, 30);
    await talk(5);
    await watch(world);
    await watch(world);
    assert.equal(messages(), left + 5);
    assert.deepEqual(warned.filter(([event]) => event === 'limits.room_outgrown').map(([, { action }]) => action), ['thin']); // biome-ignore format: short
  });
});

describe('hearth room thin', () => {
  it('says what it has deleted, and the file gets smaller', async () => {
    const { world, alice, room, talk } = await large({});
    await using _ = world;
    const thin = (older: number) =>
      runOperation(world.hs.admin, 'room/thin', { room, older_than_ms: older }) as Promise<OutputOf<'room/thin'>>;
    await talk(200);
    const [first] = (await alice.all(room)).slice(-8);
    pass(world, 100);
    await alice.say(room, 'new');
    assert.deepEqual(await thin(101 * day), { room_id: room, messages: 0, state_events: 0, bytes: 0 });
    const done = await thin(90 * day);
    assert.equal(done.messages, 200);
    assert.ok(done.state_events >= 6 && done.bytes > 200 * 4500);
    await assert.rejects(runOperation(world.hs.admin, 'room/thin', { room: '!none:x', older_than_ms: 1 }), {
      code: 'refused',
    });
    await assert.rejects(runOperation(world.hs.admin, 'room/thin', { room: 'x', older_than_ms: 1 }), {
      code: 'bad_input',
    });
    const { db, stores } = world.hs;
    assert.ok(first !== undefined);
    const before = await ledgerOf(world);
    const sweep = new Sweep(db, stores.interning, { clock: world.clock, serverName: world.name });
    const kinds: SweptKind[] = ['user', 'server', 'room', 'state_key', 'event_type', 'event_id'];
    for (const _kind of kinds) {
      while (sweep.slice());
      world.clock.advance(61 * minute);
      while (sweep.slice());
      world.clock.set(world.clock.now() + day);
      world.clock.advance(23 * 60 * minute);
    }
    sweep.stop();
    const ids = db.prepare('SELECT count(*) FROM event_id').pluck().get() as number;
    assert.ok(ids < 60, `${ids} names of events are left`);
    while (db.vacuumSome(100) > 0);
    const after = await ledgerOf(world);
    assert.ok(after.file_bytes < before.file_bytes - 0.8e6, `${after.file_bytes} of ${before.file_bytes}`);
  });
});
