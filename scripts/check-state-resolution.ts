/**
 * Holds state resolution, the auth difference and the conflicted subgraph against the naive reference on random rooms
 * of all room versions: `node scripts/check-state-resolution.ts [rooms, default 100000] [first seed, default 0]`.
 * Prints what differed with the seed that shows it, then the sum; exits with 1 if anything did.
 */
import { supportedRoomVersions } from '../src/protocol/room-versions.ts';
import { randomRoom } from '../test/support/rooms/random-graph.ts';
import { mismatches } from '../test/support/rooms/resolution-check.ts';

const SHOWN = 10;

function main(rooms: number, firstSeed: number): boolean {
  const started = performance.now();
  let wrong = 0;
  let events = 0;
  for (let seed = firstSeed; seed < firstSeed + rooms; seed++) {
    const version = supportedRoomVersions[seed % supportedRoomVersions.length] ?? '1';
    const room = randomRoom(version, seed);
    events += room.events.size;
    const found = mismatches(room, seed);
    if (found.length === 0) continue;
    wrong++;
    if (wrong <= SHOWN) console.log(`room version ${version}, seed ${seed}: ${found.join('; ')}`);
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`rooms=${rooms} events=${events} seconds=${seconds} mismatches=${wrong}`);
  return wrong === 0;
}

const [rooms = '100000', firstSeed = '0'] = process.argv.slice(2);
if (!main(Number(rooms), Number(firstSeed))) process.exitCode = 1;
