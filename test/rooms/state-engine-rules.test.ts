import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { canonicalJson } from '../../src/protocol/canonical-json.ts';
import { roomVersionRules } from '../../src/protocol/room-versions.ts';
import { AuthEvents } from '../../src/rooms/input/auth-events.ts';
import { StateEngine } from '../../src/rooms/state/state-engine.ts';
import type { EventRow } from '../../src/store/events/event-row.ts';
import { eventFlags } from '../../src/store/events/flags.ts';
import type { EventNid, RoomNid, StateKeyNid, StatePoint } from '../../src/store/nids.ts';
import { StoreRoom } from '../support/rooms/store-room.ts';
import { openTestStore, type TestStore } from '../support/store.ts';

const ann = '@ann:localhost';
const rules = roomVersionRules('11');

function engineOf(store: TestStore): StateEngine {
  const signatures = { isSignedBy: () => true, verify: () => true };
  return new StateEngine({
    ...store.stores,
    streams: store.streams,
    authEvents: new AuthEvents(store.stores),
    signatures,
  });
}

/** Inside a write: a room with a name, and the engine that looks after it. */
function begin(store: TestStore) {
  if (rules === undefined) throw new Error('no rules');
  const made = new StoreRoom(store, '11');
  made.create(ann);
  made.join(ann);
  const first = made.add(ann, 'm.room.name', { name: 'first' }, '');
  return { made, first, room: { nid: made.nid, rules }, engine: engineOf(store) };
}

function rowOf(store: TestStore, nid: EventNid): EventRow {
  const row = store.stores.events.row(nid);
  assert.ok(row);
  return row;
}

/** Inside a write: a state event that has no place in the room. */
function refused(store: TestStore, room: RoomNid, key: StateKeyNid, before: StatePoint, flags: number): EventRow {
  const { interning, events } = store.stores;
  const nid = interning.event(`$refused${flags}:localhost`);
  const { type } = interning.stateKeyOf(key);
  const sender = interning.user(ann);
  const row = { nid, room, type: interning.type(type), sender, stateKey: key, depth: 9, ts: 9, flags };
  const canonical = canonicalJson({
    auth_events: [],
    content: { name: 'refused' },
    depth: 9,
    origin_server_ts: 9,
    prev_events: [],
    room_id: interning.roomId(room),
    sender: ann,
    state_key: '',
    type,
  });
  events.insert({ ...row, before, canonical, parents: [] });
  return rowOf(store, nid);
}

describe('the main line', () => {
  it('takes nothing from soft-failed and rejected events; what follows a soft-failed one sees it all the same', async () => {
    await using store = openTestStore();
    const { stateLog, roomState, extremities } = store.stores;
    store.db.write<void>(() => {
      const { first, room, engine } = begin(store);
      const key = first.key as StateKeyNid;
      const tip = roomState.tip(room.nid);
      for (const flags of [eventFlags.SOFT_FAILED, eventFlags.REJECTED]) {
        const row = refused(store, room.nid, key, tip, flags);
        assert.deepEqual(engine.advance(room, row, extremities.forward(room.nid)), []);
        assert.deepEqual(roomState.tip(room.nid), tip);
        const after = engine.stateAfter(row.nid);
        assert.ok(after);
        const expected = flags === eventFlags.REJECTED ? first.nid : row.nid;
        assert.equal(stateLog.at(after, key), expected);
      }
    });
  });

  it('gets a late rejection as a change at a new position: old positions keep saying what they said', async () => {
    await using store = openTestStore();
    const { stateLog, roomState, events, extremities } = store.stores;
    store.db.write<void>(() => {
      const { made, first, room, engine } = begin(store);
      const second = made.add(ann, 'm.room.name', { name: 'second' }, '');
      const key = first.key as StateKeyNid;
      const { line } = roomState.tip(room.nid);
      events.setFlags(second.nid, eventFlags.REJECTED, 0);
      const changes = engine.currentChanges(room, extremities.forward(room.nid));
      assert.deepEqual(changes, [{ key, event: first.nid }]);
      const pos = store.streams.next();
      roomState.applyCurrent(room.nid, pos, changes);
      assert.equal(roomState.info(room.nid)?.line, line);
      assert.equal(stateLog.at({ line, pos: second.pos }, key), second.nid);
      assert.equal(stateLog.at({ line, pos }, key), first.nid);
      assert.deepEqual(stateLog.changesBetween(line, second.pos, pos), [[key, first.nid]]);
    });
  });
});

describe('states that have to be merged', () => {
  it('are one point if they are equal, and are resolved once', async () => {
    await using store = openTestStore();
    const { stateLog, roomState } = store.stores;
    store.db.write<void>(() => {
      const { first, room, engine } = begin(store);
      const tip = roomState.tip(room.nid);
      const key = first.key as StateKeyNid;
      const fork = (event: EventNid): StatePoint => {
        const line = stateLog.createLine(room.nid, 'fork', tip);
        const pos = store.streams.next();
        stateLog.append(line, pos, [[key, event]]);
        return { line, pos };
      };
      const later = { ...tip, pos: store.streams.next() };
      assert.deepEqual(engine.merge(room, [tip, later, tip]), tip);
      assert.deepEqual(engine.merge(room, [tip, fork(first.nid)]), tip);
      const other = refused(store, room.nid, key, tip, 0);
      store.stores.authGraph.add(other.nid, room.nid, [], key);
      const sides = [tip, fork(other.nid)];
      const resolved = engine.merge(room, sides);
      const position = store.streams.next();
      assert.deepEqual(engine.merge(room, sides.toReversed()), resolved);
      assert.equal(store.streams.next(), position + 1);
    });
  });

  it('are not known before an event whose parents are not known', async () => {
    await using store = openTestStore();
    store.db.write<void>(() => {
      const { first, room, engine } = begin(store);
      assert.equal(engine.stateBefore(room, [first.nid, 9999 as EventNid]), undefined);
      assert.equal(engine.stateBefore(room, []), undefined);
      assert.deepEqual(engine.stateBefore(room, [first.nid]), store.stores.roomState.tip(room.nid));
    });
  });
});
