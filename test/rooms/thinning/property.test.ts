import assert from 'node:assert/strict';
import { cpSync, rmSync } from 'node:fs';
import { describe, it } from 'node:test';
import { checkConsistency } from '../../../src/store/check.ts';
import type { EventNid, RoomNid } from '../../../src/store/nids.ts';
import type { Boundary } from '../../../src/store/timeline.ts';
import type { World } from '../../support/servers/world.ts';
import { tempFolder } from '../../support/store.ts';
import { enc } from './old-room.ts';
import { here, RandomRoom } from './random-room.ts';

/** What must not change at all. */
const untouched = [
  'current_state',
  'member',
  'local_member',
  'room_info',
  'forward_extremity',
  'line',
  'state_change',
  'room_line',
  'merged_point',
  'auth_node',
  'auth_child',
  'room_server',
  'receipt',
  'account_data',
];

interface Row {
  readonly nid: EventNid;
  readonly segment: number | null;
  readonly idx: number | null;
  readonly state_key: number | null;
  readonly pos: number | null;
  readonly [column: string]: unknown;
}

interface Snapshot {
  readonly tables: Record<string, unknown[]>;
  readonly events: Map<EventNid, Row>;
  readonly bodies: Map<EventNid, string>;
  readonly order: readonly EventNid[];
}

function snapshotOf(world: World, room: RoomNid): Snapshot {
  const { db, stores } = world.hs;
  const all = (sql: string) => db.prepare<[], Row>(sql).all();
  const events = new Map(all(`SELECT * FROM event WHERE room = ${room}`).map((row) => [row.nid, row]));
  const order = db
    .prepare<[number], EventNid>(
      'SELECT timeline.event FROM timeline JOIN segment ON segment.nid = timeline.segment WHERE segment.room = ?' +
        ' ORDER BY timeline.segment, timeline.idx',
    )
    .pluck()
    .all(room);
  return {
    tables: Object.fromEntries(untouched.map((table) => [table, all(`SELECT * FROM ${table}`)])),
    events,
    bodies: new Map([...events.keys()].map((nid) => [nid, stores.events.canonical(nid)])),
    order,
  };
}

/** Everything that reading gives somebody in the room, with nobody to ask. */
async function readingOf(made: RandomRoom) {
  const { universe, room, people, tokens } = made;
  universe.cut(here, made.server.name);
  const [alice] = people;
  assert.ok(alice);
  const path = `/rooms/${enc(room.roomId)}`;
  const shown = {
    back: await alice.all(room.roomId),
    on: await alice.all(room.roomId, 'f'),
    state: await alice.ok('GET', `${path}/state`),
    members: await alice.ok('GET', `${path}/members`),
    from: await Promise.all(tokens.map((token) => alice.all(room.roomId, 'b', token))),
    since: await Promise.all(tokens.filter((token) => !token.startsWith('h1p')).map((token) => sync(made, token))),
    first: await sync(made),
  };
  universe.heal(here, made.server.name);
  return shown;
}

async function sync({ people, room }: RandomRoom, since?: string) {
  const filter = enc('{"room":{"timeline":{"limit":1000}}}');
  const path = `/sync?filter=${filter}${since === undefined ? '' : `&since=${since}`}`;
  const shown = (await people[0]?.ok('GET', path))?.rooms?.join?.[room.roomId];
  return {
    events: (shown?.timeline.events ?? []).map(({ event_id: id }: { event_id: string }) => id) as string[],
    limited: shown?.timeline.limited as boolean,
    state: (shown?.state.events ?? []).map(({ event_id: id }: { event_id: string }) => id) as string[],
  };
}

/** What the other server says next, the same for both. */
async function goOn(made: RandomRoom, following: readonly unknown[]): Promise<Record<string, unknown>> {
  const { world, server, room } = made;
  const outcome: Record<string, unknown> = {};
  for (const pdu of following) {
    const { status, json } = await server.send(here, [pdu]);
    outcome[`${Object.keys(outcome).length}`] = [status, json];
  }
  const { interning, events, roomState, extremities } = world.hs.stores;
  for (const id of [...room.entries.keys()].slice(-following.length)) {
    const nid = interning.findEvent(id);
    const row = nid === undefined ? undefined : events.row(nid);
    outcome[id] = row && [row.flags, row.segment === null];
  }
  outcome['state'] = [...roomState.currentAll(made.nid)].map(([key, event]) => [key, interning.eventId(event)]);
  outcome['ends'] = extremities.forward(made.nid).map((nid) => interning.eventId(nid));
  return outcome;
}

/** Deletes up to a place, slice by slice, and crashes now and then. */
async function thinUpTo(made: RandomRoom, upTo: Boundary): Promise<void> {
  const { universe, seeded, nid } = made;
  assert.ok(made.world.hs.services.rooms.thinning.begin(nid, upTo));
  for (let slices = 0; made.world.hs.stores.thinningJobs.find(nid) !== undefined; slices++) {
    assert.ok(slices < 1000, 'it comes to an end');
    made.world.hs.services.rooms.thinning.slice();
    assert.deepEqual(checkConsistency(made.world.hs.db, made.world.name), [], `after slice ${slices}`);
    if (seeded.chance(0.25)) await universe.crash(here);
  }
}

function compare(before: Snapshot, after: Snapshot, upTo: Boundary): Set<EventNid> {
  assert.deepEqual(after.tables, before.tables);
  const isBelow = ({ segment, idx }: Row) =>
    segment !== null && idx !== null && (segment < upTo.segment || (segment === upTo.segment && idx <= upTo.idx));
  const kept = new Set<EventNid>();
  for (const [nid, row] of before.events) {
    const now = after.events.get(nid);
    if (!isBelow(row)) {
      assert.deepEqual(now, row, `event ${nid} above is what it was`);
      if (row.segment !== null) kept.add(nid);
    } else if (row.state_key !== null) {
      const flags = row.pos === null ? ((row['flags'] as number) & ~16) | 4 : row['flags'];
      assert.deepEqual(now, { ...row, flags, segment: null, idx: null }, `state event ${nid} has lost its place`);
    } else if (now !== undefined) assert.equal(now.segment, null, `message ${nid} is not shown`);
    if (now !== undefined) assert.equal(after.bodies.get(nid), before.bodies.get(nid));
  }
  assert.deepEqual(
    after.order,
    before.order.filter((nid) => kept.has(nid)),
  );
  return kept;
}

describe('a room thinned at any place, with crashes in between', () => {
  for (const seed of [1, 2, 101, 113]) {
    it(`goes on like the same room with all of its history (seed ${seed})`, async () => {
      await using made = await RandomRoom.open(seed, 80);
      const { universe, seeded, nid, room } = made;
      // What is here without its place may get it when somebody reads.
      await readingOf(made);
      using copy = tempFolder();
      await universe.stop(here);
      cpSync(made.world.dataDir, copy.path, { recursive: true });
      await universe.start(here);

      const whole = snapshotOf(made.world, nid);
      const reading = await readingOf(made);
      const at = whole.events.get(whole.order[seeded.below(whole.order.length - 5)] as EventNid);
      assert.ok(at !== undefined && at.segment !== null && at.idx !== null);
      const upTo = { segment: at.segment, idx: at.idx };
      const following = Array.from({ length: 6 }, (_, index) => {
        const kept = whole.order.slice(whole.order.indexOf(at.nid) + 1);
        const pick = () => made.world.hs.stores.interning.eventId(seeded.pick(kept));
        const prevEvents = [pick(), pick()].filter((id) => room.entries.has(id));
        const draft = seeded.pick([
          { type: 'm.room.message', content: { body: `later ${index}` } },
          { type: 'm.room.name', stateKey: '', content: { name: `later ${index}` } },
        ]);
        return room.add({ ...draft, ...(seeded.chance(0.6) && prevEvents.length > 0 ? { prevEvents } : {}) }).pdu;
      });
      const asBefore = await goOn(made, following);

      await universe.stop(here);
      rmSync(made.world.dataDir, { recursive: true });
      cpSync(copy.path, made.world.dataDir, { recursive: true });
      await universe.start(here);
      await thinUpTo(made, upTo);
      const kept = compare(whole, snapshotOf(made.world, nid), upTo);
      const { interning } = made.world.hs.stores;
      const left = new Set<string>([...kept].map((event) => interning.eventId(event)));
      const thinned = await readingOf(made);
      const of = (ids: readonly string[]) => ids.filter((id) => left.has(id));
      assert.deepEqual(thinned.back, of(reading.back));
      assert.deepEqual(thinned.on, of(reading.on));
      assert.deepEqual(thinned.from, reading.from.map(of));
      assert.deepEqual(thinned.state.map(idOf), reading.state.map(idOf));
      assert.deepEqual(thinned.members.chunk.map(idOf), reading.members.chunk.map(idOf));
      for (const [index, now] of [thinned.first, ...thinned.since].entries()) {
        const then = [reading.first, ...reading.since][index];
        assert.deepEqual(now.events, of(then?.events ?? []));
        assert.equal(now.limited || now.events.length === then?.events.length, true, 'what is missing is said');
      }
      assert.deepEqual(await goOn(made, following), asBefore);
      assert.deepEqual(checkConsistency(made.world.hs.db, made.world.name), []);
    });
  }
});

const idOf = ({ event_id: id }: { event_id: string }): string => id;
