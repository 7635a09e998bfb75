import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EventNid } from '../../../src/store/nids.ts';
import { openTestStore, type TestStore } from '../../support/store.ts';

/** More than any cache of names holds. */
const many = 5000;

/** Member events of as many users, each its own state key, all of them packed. */
function members(store: TestStore, count = many): EventNid[] {
  const { interning, events, bodyPacker } = store.stores;
  const nids: EventNid[] = [];
  store.db.write<void>(() => {
    const room = interning.room('!room:far.example');
    for (let i = 0; i < count; i++) {
      const sender = `@user${i}:far.example`;
      const nid = interning.event(`$event${i}:far.example`);
      const rest = { auth_events: [], depth: 1, origin_server_ts: i, prev_events: [], room_id: '!room:far.example' };
      const pdu = { content: { membership: 'join' }, ...rest, sender, state_key: sender, type: 'm.room.member' };
      events.insert({
        nid,
        room,
        type: interning.type('m.room.member'),
        sender: interning.user(sender),
        stateKey: interning.stateKey('m.room.member', sender),
        depth: 1,
        ts: i,
        flags: 0,
        canonical: JSON.stringify(Object.fromEntries(Object.entries(pdu).sort(([a], [b]) => (a < b ? -1 : 1)))),
        parents: [],
      });
      nids.push(nid);
    }
  });
  while (bodyPacker.packSome(500) > 0);
  interning.clearCaches();
  return nids;
}

describe('events that are gone through once', () => {
  it('come in the order asked for, with all their names', async () => {
    await using store = openTestStore();
    const nids = members(store, 40).reverse();
    const found = [...store.stores.events.passing([...nids, 999_999 as EventNid])];
    assert.deepEqual(
      found.map(({ row, id, type, sender, stateKey, contentText }) => [
        row.nid,
        id,
        type,
        sender,
        stateKey,
        contentText,
      ]),
      nids.map((nid, index) => {
        const user = `@user${39 - index}:far.example`;
        return [nid, `$event${39 - index}:far.example`, 'm.room.member', user, user, '{"membership":"join"}'];
      }),
    );
    assert.deepEqual([...store.stores.events.passing([])], []);
  });

  it('drive nothing out of the caches of names, and stay in none', async () => {
    await using store = openTestStore();
    const nids = members(store);
    const { interning, events } = store.stores;
    const [hot] = events.passing(nids.slice(0, 1));
    assert.ok(hot !== undefined);
    const { row } = hot;
    const stateKey = row.stateKey ?? assert.fail();
    const ask = () => [interning.userId(row.sender), interning.eventId(row.nid), interning.stateKeyOf(stateKey).skey];
    const expected = ask();
    for (let at = 0; at < many; at += 32) {
      const page = nids.slice(at, at + 32);
      for (const event of events.passing(page)) assert.equal(event.stateKey, event.sender);
      assert.equal(events.canonicals(page).size, page.length);
      assert.equal(interning.passingEventIds(page).length, page.length);
    }
    let asked = 0;
    store.db.timeQueries(() => asked++);
    assert.deepEqual(ask(), expected);
    assert.equal(asked, 0, 'what was known is known still');
    const [last] = events.passing(nids.slice(-1));
    assert.ok(last !== undefined);
    asked = 0;
    interning.userId(last.row.sender);
    interning.eventId(last.row.nid);
    interning.stateKeyOf(last.row.stateKey ?? assert.fail());
    assert.ok(asked >= 3, 'what went by is not kept');
    store.db.timeQueries(undefined);
  });
});
