import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StateAnswers } from '../../../src/rooms/remote/state-answers.ts';
import type { EventNid, StatePoint } from '../../../src/store/nids.ts';
import { type StoredEvent, StoreRoom } from '../../support/rooms/store-room.ts';
import { openTestStore, type TestStore } from '../../support/store.ts';

const alice = '@alice:localhost';
const bob = '@bob:b.test';

async function read(pieces: AsyncIterable<string>) {
  let text = '';
  for await (const piece of pieces) text += piece;
  return JSON.parse(text);
}

/** A room of several pages with members that have chains of their own. */
function fill(store: TestStore, version: string, members: number): { room: StoreRoom; last: StoredEvent } {
  return store.db.write(() => {
    const room = new StoreRoom(store, version);
    room.create(alice);
    room.join(alice);
    room.add(alice, 'm.room.power_levels', { users: { [alice]: 100 } }, '');
    room.add(alice, 'm.room.join_rules', { join_rule: 'public' }, '');
    for (let n = 0; n < members; n++) {
      const user = `@m${n}:s${n % 7}.test`;
      room.join(user);
      if (n % 3 === 0) room.join(user);
      if (n % 5 === 0) room.message(user, 'x');
    }
    room.add(alice, 'm.room.power_levels', { users: { [alice]: 100, [bob]: 50 } }, '');
    return { room, last: room.join(bob) };
  });
}

/** The auth chain by following the events' own words. */
function naiveChain(store: TestStore, from: readonly EventNid[]): Set<string> {
  const { interning, events } = store.stores;
  const chain = new Set<string>();
  const follow = (nid: EventNid): void => {
    for (const ref of events.pdu(nid)['auth_events'] as (string | [string, unknown])[]) {
      const id = typeof ref === 'string' ? ref : ref[0];
      if (chain.has(id)) continue;
      chain.add(id);
      const cited = interning.findEvent(id);
      if (cited !== undefined) follow(cited);
    }
  };
  for (const nid of from) follow(nid);
  return chain;
}

const stateOf = (store: TestStore, point: StatePoint) => [...store.stores.stateLog.allAt(point)].map(([, nid]) => nid);
const sorted = (values: Iterable<string>) => [...values].sort();

function pointOf(store: TestStore, { nid }: StoredEvent): StatePoint {
  const { line, linePos } = store.stores.events.row(nid) ?? {};
  assert.ok(line && linePos);
  return { line, pos: linePos };
}

describe('states for other servers', () => {
  for (const version of ['1', '11']) {
    it(`are the same as read at once, with each event of the auth chain once (room version ${version})`, async () => {
      await using store = openTestStore();
      const { last } = fill(store, version, 400);
      const { events, interning } = store.stores;
      const answers = new StateAnswers({ ...store, ...store.stores });
      const point = pointOf(store, last);
      const state = stateOf(store, point);
      const chain = naiveChain(store, state);
      const { pdus, auth_chain } = await read(answers.state(point));
      const texts = (nids: Iterable<EventNid>) => [...nids].map((nid) => events.pdu(nid));
      assert.deepEqual(pdus, texts(state));
      const asText = (list: unknown[]) => sorted(list.map((each) => JSON.stringify(each)));
      const wanted = [...chain].map((id) => events.pdu(interning.findEvent(id) as EventNid));
      assert.deepEqual(asText(auth_chain), asText(wanted));
      const ids = await read(answers.stateIds(point));
      assert.deepEqual(sorted(ids.pdu_ids), sorted(state.map((nid) => interning.eventId(nid))));
      assert.deepEqual(sorted(ids.auth_chain_ids), sorted(chain));
    });
  }

  it('give the auth chain of a join and of the state before it', async () => {
    await using store = openTestStore();
    const { room, last } = fill(store, '10', 150);
    const { events, interning, roomState } = store.stores;
    const answers = new StateAnswers({ ...store, ...store.stores });
    const user = interning.findUser(bob);
    const server = interning.findServer('b.test');
    assert.ok(user && server);
    const join = { room: room.nid, event: last.nid, user, server, before: pointOf(store, last) };
    const joined = { origin: 'localhost', event: events.canonical(last.nid) };
    const whole = await read(answers.join(join, joined, false));
    const state = stateOf(store, join.before);
    assert.equal(whole.origin, 'localhost');
    assert.equal(whole.members_omitted, false);
    assert.equal('servers_in_room' in whole, false);
    assert.deepEqual(whole.event, events.pdu(last.nid));
    assert.equal(whole.state.length, state.length);
    assert.equal(whole.auth_chain.length, naiveChain(store, [...state, last.nid]).size);

    const less = await read(answers.join(join, joined, true));
    assert.equal(less.members_omitted, true);
    const members = less.state.filter((event: { type: string }) => event.type === 'm.room.member');
    // The room has no name: its heroes stay.
    assert.equal(members.length, 5);
    const others = less.state.length - members.length;
    assert.equal(others, 3);
    // With what is under `state` the chain is complete.
    const answered = [...less.state, ...less.auth_chain].map((event) => JSON.stringify(event));
    const kept = state.filter((nid) => answered.includes(JSON.stringify(events.pdu(nid))));
    for (const id of naiveChain(store, [...kept, last.nid])) {
      assert.ok(answered.includes(JSON.stringify(events.pdu(interning.findEvent(id) as EventNid))), id);
    }
    assert.equal(new Set(answered).size, answered.length, 'nothing twice');
    const servers = ['localhost', ...[0, 1, 2, 3, 4, 5, 6].map((n) => `s${n}.test`)];
    assert.deepEqual(sorted(less.servers_in_room), servers);
    assert.ok(roomState.servers.joined(room.nid, server) === 1);

    store.db.write(() => void room.add(alice, 'm.room.name', { name: 'A name' }, ''));
    const named = { ...join, before: roomState.tip(room.nid) };
    const { state: short } = await read(answers.join(named, joined, true));
    assert.deepEqual(short.map((event: { type: string }) => event.type).sort(), [
      'm.room.create',
      'm.room.join_rules',
      'm.room.name',
      'm.room.power_levels',
    ]);
  });

  it('hold a page of events at a time, and let others have their turn between two', async () => {
    await using store = openTestStore();
    const { last } = fill(store, '11', 600);
    const answers = new StateAnswers({ ...store, ...store.stores });
    let turns = 0;
    const ticking = setInterval(() => turns++, 0);
    let longest = 0;
    let pieces = 0;
    for await (const piece of answers.state(pointOf(store, last))) {
      longest = Math.max(longest, piece.length);
      pieces++;
    }
    clearInterval(ticking);
    assert.ok(pieces > 12);
    assert.ok(longest < 128 * 1024, `${longest}`);
    assert.ok(turns > 0);
  });
});
