import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { asEventId } from '../../../src/protocol/ids/event-id.ts';
import { asRoomId } from '../../../src/protocol/ids/room-id.ts';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import type { EventId } from '../../../src/protocol/ids/types.ts';
import { Deferred } from '../../../src/rooms/receive/deferred.ts';
import type { Lacking } from '../../../src/rooms/receive/fate.ts';
import type { VerifiedEvent } from '../../../src/rooms/receive/verify.ts';
import { silentLog } from '../../../src/util/log.ts';
import { openTestStore, type TestStore } from '../../support/store.ts';

const lacking = { prevEvents: [asEventId('$missing')], authEvents: [] } as unknown as Lacking;

function opened(store: TestStore) {
  const deferred = new Deferred({ db: store.db, ...store.stores, clock: store.clock, log: silentLog });
  let count = 0;
  const keep = (room: string, server: string) => {
    const eventId = asEventId(`$${++count}`);
    const event = { eventId, canonical: '{}', redacted: false } as unknown as VerifiedEvent;
    const { interning } = store.stores;
    const isKept = store.db.write(() =>
      deferred.keep(interning.room(asRoomId(room)), asServerName(server), event, lacking),
    );
    return { eventId, isKept };
  };
  return { deferred, keep };
}

describe('events that wait for what they cite', () => {
  it('of one server do not take the places of others', async () => {
    await using store = openTestStore();
    const { keep } = opened(store);
    const kept = { 'b.test': 0, 'c.test': 0 };
    const fill = (server: keyof typeof kept) => {
      for (let room = 0; room < 25; room++) {
        for (let i = 0; i < 100; i++) if (keep(`!${server}${room}:b.test`, server).isKept) kept[server]++;
      }
    };
    fill('b.test');
    assert.equal(kept['b.test'], 1000);
    fill('c.test');
    assert.equal(kept['c.test'], 500);
    assert.equal(keep('!x:b.test', 'd.test').isKept, true);
    assert.equal(keep('!x:b.test', 'b.test').isKept, false);
  });

  it('are tried again, whatever happens with those before them', async () => {
    await using store = openTestStore();
    const { deferred, keep } = opened(store);
    for (let i = 0; i < 30; i++) keep('!bad:b.test', 'b.test');
    store.clock.advance(1000);
    const good = keep('!good:b.test', 'b.test').eventId;
    const tried: EventId[] = [];
    const { interning } = store.stores;
    deferred.start(async (room, _origin, events) => {
      if (interning.roomId(room) === '!bad:b.test') throw new TypeError('a fault');
      tried.push(...events.map(({ eventId }) => eventId));
    });
    for (let i = 0; i < 5; i++) {
      store.clock.advance(60_000);
      for (let turn = 0; turn < 10; turn++) await nextTurn();
    }
    await deferred.stop();
    assert.deepEqual(tried, [good]);
    assert.equal(store.stores.deferredPdus.countIn(interning.room(asRoomId('!bad:b.test'))), 30);
  });
});
