/**
 * Prints what the state of a large room costs: bytes for each change, time to look up, to compare and to read.
 *
 *     node --import ./build/text-imports.mjs scripts/measure-state.ts [members]
 */
import { canonicalJson } from '../src/protocol/canonical-json.ts';
import { asServerName } from '../src/protocol/ids/server-name.ts';
import { roomVersionRules } from '../src/protocol/room-versions.ts';
import { AuthEvents } from '../src/rooms/input/auth-events.ts';
import { StateEngine } from '../src/rooms/state/state-engine.ts';
import { checkConsistency } from '../src/store/check.ts';
import { wellKnown } from '../src/store/interning/well-known.ts';
import type { EventNid, RoomNid, StateKeyNid, StatePoint } from '../src/store/nids.ts';
import type { StateChange } from '../src/store/state/state-log.ts';
import type { JsonObject } from '../src/util/json.ts';
import { StoreRoom } from '../test/support/rooms/store-room.ts';
import { Seeded } from '../test/support/seeded.ts';
import { openTestStore } from '../test/support/store.ts';

const members = Number(process.argv[2] ?? 40_000);
const random = new Seeded(1);
await using store = openTestStore({ cacheKib: 16_384 });
const { db, stores, streams } = store;
const { stateLog, roomState } = stores;

function time(what: string, count: number, run: (i: number) => unknown): void {
  const start = performance.now();
  for (let i = 0; i < count; i++) run(i);
  console.log(`${what}: ${(((performance.now() - start) / count) * 1000).toFixed(1)} µs`);
}

const size = db.prepare<[], { size: number }>(
  "SELECT sum(pgsize) AS size FROM dbstat WHERE name LIKE 'state_change%' OR name = 'line'",
);
const bytes = (): number => size.get()?.size ?? 0;

const keys: StateKeyNid[] = [];
const events: EventNid[] = [];
let room: StoreRoom | undefined;
const user = (i: number) => `@person${i}:server${i % 300}`;
let start = performance.now();
for (let from = 0; from < members; from += 500) {
  db.write<void>(() => {
    room ??= new StoreRoom(store, '12');
    if (from === 0) room.create(user(0));
    for (let i = from; i < Math.min(members, from + 500); i++) {
      const { key, nid } = room.join(user(i));
      keys.push(key as StateKeyNid);
      events.push(nid);
    }
  });
}
console.log(`${members} joins as whole events: ${(((performance.now() - start) / members) * 1000).toFixed(0)} µs each`);
const nid = room?.nid;
if (nid === undefined) throw new Error('no room');

// Before anything is written that no event has caused.
start = performance.now();
const problems = checkConsistency(db, asServerName('localhost'));
console.log(
  `consistency check of ${members} events: ${(performance.now() - start).toFixed(0)} ms, ${problems.length} findings`,
);

const points: StatePoint[] = [];
const changes = 5000;
for (const forks of [0, 3]) {
  points.length = 0;
  const before = bytes();
  start = performance.now();
  for (let i = 0; i < changes; i += 50) {
    db.write<void>(() => {
      for (let k = 0; k < 50; k++) {
        const at = random.below(keys.length);
        const pos = streams.next();
        const key = keys[at] as StateKeyNid;
        if (k % 10 < forks) {
          const line = stateLog.createLine(nid, 'fork', roomState.tip(nid));
          stateLog.append(line, pos, [[key, events[(at + 1) % events.length] as EventNid]]);
          points.push({ line, pos });
        } else {
          const other = events[(at + 7) % events.length] as EventNid;
          stateLog.append(roomState.tip(nid).line, pos, [[key, other]]);
          points.push(roomState.tip(nid));
        }
      }
    });
  }
  const took = ((performance.now() - start) / changes) * 1000;
  console.log(
    `a change, ${forks * 10} % forks: ${took.toFixed(0)} µs, ${((bytes() - before) / changes).toFixed(1)} bytes (base: ${before})`,
  );
}
const pick = () => random.pick(points);
time('one key at a random point', 20_000, () => stateLog.at(pick(), random.pick(keys)));
time('difference of two points some 100 changes apart', 2000, () => {
  const at = random.below(points.length - 100);
  return stateLog.difference([points[at] as StatePoint, points[at + 100] as StatePoint]);
});
time('changes since a token, 100 positions', 2000, () => {
  const { line, pos } = roomState.tip(nid);
  return stateLog.changesBetween(line, (pos - 100) as typeof pos, pos);
});
time('a whole historic state', 3, () => {
  for (const _ of stateLog.allAt(pick()));
});
time('the whole current state', 3, () => {
  for (const _ of roomState.currentAll(nid));
});

const authEvents = new AuthEvents(stores);
const signatures = { isSignedBy: () => true, verify: () => true };
const engine = new StateEngine({ ...stores, streams, authEvents, signatures });
const rules = roomVersionRules('12');
if (rules === undefined) throw new Error('no rules');
const create = roomState.current(nid, wellKnown.stateKeys.create) as EventNid;

/** A state event that its sender's server made on a fork. */
function stray(sender: string, type: string, stateKey: string, content: JsonObject, ts: number): StateChange {
  const { interning } = stores;
  const auth = [...new Set([sender, type === 'm.room.member' ? stateKey : sender])]
    .map((each) => roomState.current(nid as RoomNid, interning.stateKey('m.room.member', each)))
    .filter((each) => each !== undefined);
  const event = interning.event(`$stray${ts}:localhost`);
  const key = interning.stateKey(type, stateKey);
  const body = { auth_events: auth.map((each) => interning.eventId(each)), content, depth: 9, origin_server_ts: ts };
  stores.events.insert({
    nid: event,
    room: nid as RoomNid,
    type: interning.type(type),
    sender: interning.user(sender),
    stateKey: key,
    depth: 9,
    ts,
    flags: 0,
    canonical: canonicalJson({ ...body, prev_events: [], room_id: room?.roomId, sender, state_key: stateKey, type }),
    parents: [],
  });
  stores.authGraph.add(event, nid as RoomNid, [create, ...auth], key);
  return [key, event];
}

/** Two forks of the current state, each with these changes. */
function fork(list: (side: number) => StateChange[]): StatePoint[] {
  return [0, 1].map((side) => {
    const line = stateLog.createLine(nid as RoomNid, 'fork', roomState.tip(nid as RoomNid));
    const pos = streams.next();
    stateLog.append(line, pos, list(side));
    return { line, pos };
  });
}

let strays = 1_000_000;
for (const conflicts of [1, 10, 10, 100, 1000]) {
  db.write<void>(() => {
    const sides = fork((side) =>
      Array.from({ length: conflicts }, () => {
        const who = user(random.below(members));
        return stray(who, 'm.room.member', who, { membership: 'join', displayname: `${side}` }, strays++);
      }),
    );
    time(`merging two forks with ${conflicts} changed members each`, 1, () => engine.merge({ nid, rules }, sides));
  });
}
for (const attempt of ['first', 'second']) {
  db.write<void>(() => {
    const sides = fork((side) => [
      stray(user(0), 'm.room.power_levels', '', { users: { [user(1)]: 50 + side }, invite: side }, strays++),
    ]);
    time(`merging two power levels (${attempt})`, 1, () => engine.merge({ nid, rules }, sides));
  });
}
console.log(`RSS ${(process.memoryUsage.rss() / 2 ** 20).toFixed(0)} MiB`);
time('beginning a rejoined room anew: everything derived goes', 1, () =>
  db.write<void>(() => void roomState.reopenRoom(nid, streams.next())),
);
