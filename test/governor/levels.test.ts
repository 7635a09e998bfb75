import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Governor } from '../../src/governor/governor.ts';
import { type DiskReading, diskLevel, type Level, type MemoryReading, memoryLevel } from '../../src/governor/levels.ts';
import { silentLog } from '../../src/util/log.ts';
import { FakeClock } from '../support/stubs/fake-clock.ts';

const mib = 1024 * 1024;

describe('the level of memory', () => {
  const cases: [percent: number, pressure: number | undefined, before: Level, now: Level][] = [
    [50, undefined, 'easy', 'easy'],
    [84, 0, 'easy', 'easy'],
    [85, 0, 'easy', 'tight'],
    [100, 0, 'easy', 'critical'],
    // Left only a little below where it began.
    [81, 0, 'tight', 'tight'],
    [79, 0, 'tight', 'easy'],
    [96, 0, 'critical', 'critical'],
    [94, 0, 'critical', 'tight'],
    [79, 0, 'critical', 'easy'],
    // Whoever waits for memory has too little, whatever the budget says.
    [10, 10, 'easy', 'tight'],
    [10, 9, 'easy', 'easy'],
    [10, 8, 'tight', 'tight'],
    [10, 40, 'easy', 'critical'],
    [10, 33, 'critical', 'critical'],
    [10, 30, 'critical', 'tight'],
  ];
  for (const [percent, pressure, before, now] of cases) {
    it(`at ${percent} % of the budget and a pressure of ${pressure} is ${now} after ${before}`, () => {
      assert.equal(memoryLevel({ rss: percent * mib, pressure }, 100 * mib, before), now);
    });
  }
});

describe('the level of the disk', () => {
  const cases: [free: number, total: number, before: Level, now: Level][] = [
    [4000, 16_000, 'easy', 'easy'],
    [255, 16_000, 'easy', 'tight'],
    [300, 16_000, 'tight', 'tight'],
    [321, 16_000, 'tight', 'easy'],
    [63, 16_000, 'tight', 'critical'],
    [79, 16_000, 'critical', 'critical'],
    [81, 16_000, 'critical', 'tight'],
    [15, 20, 'easy', 'tight'],
    [3, 20, 'easy', 'critical'],
    [63, 4_000_000, 'easy', 'critical'],
  ];
  for (const [free, total, before, now] of cases) {
    it(`with ${free} of ${total} MiB free is ${now} after ${before}`, () => {
      assert.equal(diskLevel({ free: free * mib, total: total * mib }, before), now);
    });
  }
});

describe('the governor', () => {
  function opened(budgetMb = 200, boardMb = 0, availableMb?: number) {
    const clock = new FakeClock();
    const memory: { -readonly [K in keyof MemoryReading]: MemoryReading[K] } = { rss: 70 * mib, pressure: 0 };
    const disk: { -readonly [K in keyof DiskReading]: DiskReading[K] } = { free: 4000 * mib, total: 16_000 * mib };
    const boardBytes = boardMb * mib;
    const available = () => (availableMb === undefined ? undefined : availableMb * mib);
    const readings = { memory: () => ({ ...memory }), disk: () => ({ ...disk }), boardBytes, available };
    const governor = new Governor({ readings, budgetMb, clock, log: silentLog });
    const changes: string[] = [];
    const shrinks: Level[] = [];
    governor.onChange((now) => changes.push(`${now.memory} ${now.disk}`));
    governor.onShrink((level) => shrinks.push(level));
    governor.start();
    return { clock, memory, disk, governor, changes, shrinks };
  }

  it('tells of each change once, and gives memory back again and again until it is easy', () => {
    const { clock, memory, disk, changes, shrinks } = opened();
    clock.advance(10_000);
    assert.deepEqual(changes, []);
    memory.rss = 180 * mib;
    clock.advance(2_000);
    assert.deepEqual([changes, shrinks], [['tight easy'], ['tight']]);
    clock.advance(60_000);
    assert.deepEqual(shrinks, ['tight', 'tight', 'tight']);
    memory.rss = 210 * mib;
    disk.free = 60 * mib;
    clock.advance(2_000);
    memory.rss = 100 * mib;
    disk.free = 4000 * mib;
    clock.advance(2_000);
    assert.deepEqual(changes, ['tight easy', 'critical critical', 'easy easy']);
    assert.equal(shrinks.at(-1), 'easy');
  });

  it('does not hold a server to a budget that it could never keep', () => {
    const { governor, clock } = opened(64);
    clock.advance(60_000);
    assert.equal(governor.memory, 'easy');
    assert.equal(governor.condition.budget, 118 * mib);
  });

  it('takes what is not given back for part of the budget, as long as the board has more', () => {
    const { clock, memory, governor } = opened(200, 400);
    memory.rss = 215 * mib;
    clock.advance(20_000);
    assert.equal(governor.memory, 'critical');
    // What grows is no plateau.
    memory.rss = 225 * mib;
    clock.advance(20_000);
    assert.equal(governor.memory, 'critical');
    clock.advance(20_000);
    assert.equal(governor.memory, 'tight');
    memory.rss = 245 * mib;
    clock.advance(2_000);
    assert.equal(governor.memory, 'critical');
    memory.rss = 100 * mib;
    clock.advance(2_000);
    assert.deepEqual([governor.memory, governor.condition.budget], ['easy', 200 * mib]);
    memory.rss = 350 * mib;
    clock.advance(120_000);
    assert.equal(governor.memory, 'critical', 'three quarters of the board are the end');
  });

  it('does not refuse for ever what the board has room for, however much is not given back', () => {
    const cases: [availableMb: number, Level][] = [
      [70, 'tight'],
      [23, 'critical'],
    ];
    for (const [availableMb, level] of cases) {
      const { clock, memory, governor } = opened(128, 256, availableMb);
      memory.rss = 264 * mib;
      clock.advance(40_000);
      assert.equal(governor.memory, level, `${availableMb} MiB could still be had`);
    }
  });

  it('looks no more once it has stopped', () => {
    const { governor, clock, memory } = opened();
    governor.stop();
    memory.rss = 999 * mib;
    clock.advance(60_000);
    assert.equal(governor.memory, 'easy');
  });
});
