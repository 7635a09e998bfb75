import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Background, type BackgroundTask } from '../../src/jobs/background.ts';
import { millis } from '../../src/util/brand.ts';
import { type LogFields, silentLog } from '../../src/util/log.ts';
import { World } from '../support/servers/world.ts';
import { FakeClock } from '../support/stubs/fake-clock.ts';

/** Lets time pass in steps, with a turn for the promises after each. */
async function pass(clock: FakeClock, ms: number, steps = 20): Promise<void> {
  for (let i = 0; i < steps; i++) {
    clock.advance(ms / steps);
    await nextTurn();
  }
}

describe('background work', () => {
  const task = (name: string, every: number, slice: BackgroundTask['slice']): BackgroundTask => ({
    name,
    every: millis(every),
    slice,
  });

  it('does slice after slice while there is more, then waits for the next round', async () => {
    const clock = new FakeClock();
    const slices: number[] = [];
    let left = 3;
    const background = new Background(
      [
        task('a', 1000, () => {
          slices.push(clock.monotonic());
          return --left > 0;
        }),
      ],
      { clock, log: silentLog },
    );
    await pass(clock, 999);
    assert.equal(slices.length, 0);
    await pass(clock, 101);
    assert.equal(slices.length, 3);
    await pass(clock, 800);
    assert.equal(slices.length, 3);
    await pass(clock, 300);
    assert.equal(slices.length, 4);
    await background.stop();
  });

  it('never does two slices at once', async () => {
    const clock = new FakeClock();
    let running = 0;
    const slow = async (): Promise<boolean> => {
      assert.equal(running++, 0);
      await nextTurn();
      running--;
      return true;
    };
    const background = new Background([task('a', 10, slow), task('b', 10, slow)], { clock, log: silentLog });
    await pass(clock, 1000, 100);
    await background.stop();
    assert.equal(running, 0);
  });

  it('tells of a task that throws and tries again in the next round', async () => {
    const clock = new FakeClock();
    const failed: LogFields[] = [];
    const log = { ...silentLog, error: (_: string, fields: LogFields = {}) => void failed.push(fields) };
    let tries = 0;
    const background = new Background(
      [
        task('a', 100, () => {
          tries++;
          throw new Error('no');
        }),
      ],
      { clock, log: { ...log, child: () => log } },
    );
    await pass(clock, 250);
    assert.equal(tries, 2);
    assert.equal(failed[0]?.['task'], 'a');
    await background.stop();
  });

  it('starts nothing after it was stopped', async () => {
    const clock = new FakeClock();
    let slices = 0;
    const background = new Background([task('a', 10, () => ++slices > 0)], { clock, log: silentLog });
    await background.stop();
    await pass(clock, 1000);
    assert.equal(slices, 0);
  });
});

describe('the tasks of a server', () => {
  it('pack the bodies of events, which read the same afterwards', async () => {
    await using world = await World.open();
    const alice = await world.register('alice');
    const { room_id } = await world.ok('POST', '/_matrix/client/v3/createRoom', alice, { name: 'Room' });
    const messages = `/_matrix/client/v3/rooms/${encodeURIComponent(room_id as string)}/messages?dir=f&limit=100`;
    const before = await world.ok('GET', messages, alice);
    await pass(world.clock, 10_000);
    assert.equal(world.hs.stores.bodyPacker.packSome(1), 0);
    const after = await world.ok('GET', messages, alice);
    const ageless = (page: { chunk: { unsigned: { age?: number } }[] }) =>
      page.chunk.map((event) => ({ ...event, unsigned: { ...event.unsigned, age: 0 } }));
    assert.deepEqual(ageless(after), ageless(before));
  });

  it('forget transaction IDs after three days, not before', async () => {
    await using world = await World.open();
    const alice = await world.register('alice');
    const { room_id } = await world.ok('POST', '/_matrix/client/v3/createRoom', alice, {});
    const send = async (): Promise<string> => {
      const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room_id as string)}/send/m.room.message/txn`;
      return (await world.ok('PUT', path, alice, { msgtype: 'm.text', body: 'once' })).event_id as string;
    };
    const first = await send();
    const day = 24 * 3_600_000;
    // The sweep of media waits for a worker, in real time; when a later one is through, so is that of the background.
    const passDays = async (days: number): Promise<void> => {
      await pass(world.clock, days * day);
      await world.hs.services.media.sweepOrphans();
    };
    await passDays(2.9);
    await pass(world.clock, 3_600_000);
    assert.equal(await send(), first);
    await passDays(0.2);
    await pass(world.clock, 3_600_000);
    assert.notEqual(await send(), first);
  });
});
