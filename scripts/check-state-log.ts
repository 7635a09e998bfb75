/**
 * Holds the state log against plain maps, at length: `check-state-log.ts [look-ups] [first seed]`. The tests run a
 * small part of it.
 *
 *     node --import ./build/text-imports.mjs scripts/check-state-log.ts 1000000
 */

import { StateLogCheck } from '../test/support/rooms/state-log-check.ts';
import { Seeded } from '../test/support/seeded.ts';
import { openTestStore } from '../test/support/store.ts';

const wanted = Number(process.argv[2] ?? 1_000_000);
const firstSeed = Number(process.argv[3] ?? 1);

await using store = openTestStore();
let lookUps = 0;
let rooms = 0;
let deepest = 0;
let rejoins = 0;
let insertedBelow = 0;
while (lookUps < wanted) {
  rooms++;
  const check = store.db.write<StateLogCheck>(() => {
    const check = new StateLogCheck(store.stores.stateLog, new Seeded(firstSeed + rooms), rooms);
    for (let i = 0; i < 150; i++) {
      check.step();
      check.compare(20);
    }
    return check;
  });
  lookUps += check.lookUps;
  deepest = Math.max(deepest, check.deepest);
  rejoins += check.rejoins;
  insertedBelow += check.insertedBelow;
}
console.log(
  `${lookUps} look-ups in ${rooms} rooms, forks ${deepest} deep, ${rejoins} rejoins, ${insertedBelow} entries inserted` +
    ' at a base below later rows: all as in plain maps',
);
