/**
 * Holds the state engine against the resolution of whole states, at length: `check-state-engine.ts [rooms] [first seed]`
 * for room versions 1, 2, 6, 11 and 12. The tests run a small part of it.
 *
 *     node --import ./build/text-imports.mjs scripts/check-state-engine.ts 400
 */
import { EngineCheck } from '../test/support/rooms/engine-check.ts';
import { Seeded } from '../test/support/seeded.ts';
import { openTestStore } from '../test/support/store.ts';

const rooms = Number(process.argv[2] ?? 400);
const firstSeed = Number(process.argv[3] ?? 1);
const versions = ['1', '2', '6', '11', '12'];

let rejoins = 0;
let filled = 0;
let filledBelow = 0;
await using store = openTestStore();
const { db } = store;
for (let room = 1; room <= rooms; room++) {
  const seed = firstSeed + room;
  const version = versions[room % versions.length] ?? '12';
  try {
    const check = db.write<EngineCheck>(() => {
      const check = new EngineCheck(store, new Seeded(seed), version, room);
      check.run(50);
      return check;
    });
    rejoins += check.rejoins;
    filled += check.filled;
    filledBelow += check.filledBelow;
  } catch (error) {
    throw new Error(`seed ${seed}, room version ${version}`, { cause: error });
  }
}
const count = (sql: string): number => db.prepare<[], number>(sql).pluck().get() ?? 0;
const events = count('SELECT count(*) FROM event');
const forks = count('SELECT count(*) FROM line WHERE kind = 1');
const merges = count('SELECT count(*) FROM merged_point');
const refused = count('SELECT count(*) FROM event WHERE flags <> 0');
console.log(
  `${rooms} rooms, ${events} events (${refused} refused), ${forks} forks, ${merges} merges,` +
    ` ${rejoins} rejoins, ${filled} entries filled in (${filledBelow} below later rows): all as resolved whole`,
);
