import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeEdges, encodeEdges } from '../../../src/store/auth/auth-graph.ts';
import type { EventNid } from '../../../src/store/nids.ts';
import { StoreRoom } from '../../support/rooms/store-room.ts';
import { openTestStore, type TestStore } from '../../support/store.ts';

const ann = '@ann:localhost';

/** Inside a write: create, ann, power levels, bob, bob again, new power levels. */
function room(store: TestStore, version: string): EventNid[] {
  const graph = new StoreRoom(store, version);
  return [
    graph.create(ann),
    graph.join(ann),
    graph.add(ann, 'm.room.power_levels', {}, ''),
    graph.join('@bob:localhost'),
    graph.add('@bob:localhost', 'm.room.member', { membership: 'join', displayname: 'Bob' }, '@bob:localhost'),
    graph.add(ann, 'm.room.power_levels', { ban: 60 }, ''),
  ].map((event) => event.nid);
}

describe('AuthGraph', () => {
  for (const version of ['11', '12']) {
    it(`has the create event among the edges of every event of room version ${version}`, async () => {
      await using store = openTestStore();
      store.db.write<void>(() => {
        const { authGraph } = store.stores;
        const [create, first, levels, bob, again, newLevels] = room(store, version) as [EventNid, ...EventNid[]];
        const edges = (event: EventNid | undefined) => authGraph.edges(event as EventNid);
        assert.deepEqual(edges(create), []);
        assert.deepEqual(edges(first), [create]);
        assert.deepEqual(edges(levels), [create, first]);
        assert.deepEqual(edges(bob), [create, levels]);
        assert.deepEqual(edges(again), [create, levels, bob]);
        assert.deepEqual(edges(newLevels), [create, first, levels]);
      });
    });
  }

  it('ranks events above what they cite and chains those that follow each other under one key', async () => {
    await using store = openTestStore();
    store.db.write<void>(() => {
      const { authGraph } = store.stores;
      const nids = room(store, '12');
      assert.deepEqual(
        nids.map((nid) => authGraph.rank(nid)),
        [0, 1, 2, 3, 4, 3],
      );
      const positions = nids.map((nid) => authGraph.position(nid));
      assert.deepEqual(
        positions.map(({ seq }) => seq),
        [0, 0, 0, 0, 1, 1],
      );
      assert.equal(positions[4]?.chain, positions[3]?.chain);
      assert.equal(positions[5]?.chain, positions[2]?.chain);
      assert.equal(new Set(positions.map(({ chain }) => chain)).size, 4);
    });
  });

  it('names the children of an event, the next of its chain among them', async () => {
    await using store = openTestStore();
    store.db.write<void>(() => {
      const { authGraph } = store.stores;
      const [, first, levels, bob, again, newLevels] = room(store, '12') as [EventNid, ...EventNid[]];
      const children = (event: EventNid | undefined) =>
        [...authGraph.children(event as EventNid)].sort((a, b) => a - b);
      assert.deepEqual(children(first), [levels, newLevels]);
      assert.deepEqual(children(levels), [bob, again, newLevels]);
      assert.deepEqual(children(bob), [again]);
      assert.deepEqual(children(again), []);
    });
  });

  it('opens a chain of its own where two events follow the same one', async () => {
    await using store = openTestStore();
    store.db.write<void>(() => {
      const { authGraph, interning } = store.stores;
      const [create, first, levels] = room(store, '12') as [EventNid, EventNid, EventNid];
      const key = interning.stateKey('m.room.power_levels', '');
      const { nid } = new StoreRoom(store, '12');
      const twin = authGraphEvent(store, 'm.room.power_levels');
      authGraph.add(twin, nid, [first, levels], key);
      authGraph.add(twin, nid, [first], key);
      assert.deepEqual(authGraph.edges(twin), [create, first, levels]);
      assert.deepEqual(authGraph.position(twin), { chain: twin, seq: 0 });
      assert.ok([...authGraph.children(levels)].includes(twin));
      assert.equal(authGraph.has(twin), true);
      assert.throws(() => authGraph.add(9999 as EventNid, nid, [8888 as EventNid], key), /no place/);
    });
  });

  it('remembers witnesses inside a write and does without elsewhere', async () => {
    await using store = openTestStore();
    const { authGraph } = store.stores;
    const [create, first] = store.db.write(() => room(store, '12').slice(0, 2)) as [EventNid, EventNid];
    authGraph.setWitness(create, first);
    assert.equal(authGraph.witness(create), undefined);
    store.db.write<void>(() => authGraph.setWitness(create, first));
    assert.equal(authGraph.witness(create), first);
  });

  it('writes edges of any size in few bytes', () => {
    const nids = [5, 1, 1_000_000, 2 ** 40, 130].map((nid) => nid as EventNid);
    assert.deepEqual(
      decodeEdges(encodeEdges(nids)),
      nids.toSorted((a, b) => a - b),
    );
    assert.equal(encodeEdges([]).length, 0);
  });
});

/** An event row to add to the graph. */
function authGraphEvent(store: TestStore, type: string): EventNid {
  const { interning, events } = store.stores;
  const nid = interning.event('$twin:localhost');
  events.insert({
    nid,
    room: interning.room('!room:localhost'),
    type: interning.type(type),
    sender: interning.user(ann),
    stateKey: interning.stateKey(type, ''),
    depth: 9,
    ts: 9,
    flags: 0,
    canonical: '{}',
    parents: [],
  });
  return nid;
}
