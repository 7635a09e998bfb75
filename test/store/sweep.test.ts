import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ServerName } from '../../src/protocol/ids/types.ts';
import type { RoomNid, UserNid } from '../../src/store/nids.ts';
import { references, Sweep, type SweptKind } from '../../src/store/sweep.ts';
import { StoreRoom } from '../support/rooms/store-room.ts';
import { openTestStore } from '../support/store.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

function opened() {
  const store = openTestStore();
  const { db, clock } = store;
  const { interning } = store.stores;
  const sweep = new Sweep(db, interning, { clock, serverName: 'own.test' as ServerName });
  const profile = db.prepare<[number], never>("INSERT INTO profile (user, field, value) VALUES (?, 'a', '1')");
  /** Goes on until there is nothing to do; then lets an hour pass and does the rest of the go. */
  const untilWaiting = () => {
    while (sweep.slice());
  };
  const wholeGo = () => {
    untilWaiting();
    clock.advance(HOUR);
    untilWaiting();
    // Between two goes it rests.
    clock.advance(DAY);
  };
  const everything = () => {
    for (const _ of Object.keys(references)) wholeGo();
  };
  const intern = (...ids: string[]) => db.write(() => ids.map((id) => interning.user(id)));
  const use = (nid: UserNid) => db.write<void>(() => void profile.run(nid));
  const names = (table: string, column: string) =>
    db.prepare<[], string>(`SELECT ${column} FROM ${table} ORDER BY nid`).pluck().all();
  return { store, db, clock, interning, sweep, untilWaiting, wholeGo, everything, intern, use, names };
}

describe('the sweep', () => {
  it('deletes what nothing uses, and in the next go what only that has used', async () => {
    const { store, db, interning, intern, use, everything, names } = opened();
    await using _ = store;
    const [alice] = intern('@alice:a.test', '@bob:b.test', '@carol:a.test');
    assert.ok(alice);
    use(alice);
    db.write<void>(() => {
      interning.server('own.test');
      interning.room('!gone');
      interning.stateKey('org.example.type', 'x');
    });
    everything();
    assert.deepEqual(names('user', 'localpart'), ['alice']);
    assert.deepEqual(names('server', 'name'), ['a.test', 'own.test']);
    assert.deepEqual(names('room', 'room_id'), []);
    assert.equal(interning.findType('org.example.type'), undefined);
    assert.equal(interning.findUser('@bob:b.test'), undefined);
  });

  it('never gives a swept number out again', async () => {
    const { store, intern, wholeGo } = opened();
    await using _ = store;
    const [old] = intern('@a:b');
    wholeGo();
    const [again] = intern('@a:b');
    assert.ok(again !== undefined && old !== undefined && again > old);
  });

  it('keeps the fixed types and state keys', async () => {
    const { store, everything, names } = opened();
    await using _ = store;
    const before = [names('event_type', 'name'), names('state_key', 'nid')];
    everything();
    assert.deepEqual([names('event_type', 'name'), names('state_key', 'nid')], before);
  });

  it('spares what is interned, looked up or written since the go began', async () => {
    const { store, sweep, clock, interning, intern, use, untilWaiting, names } = opened();
    await using _ = store;
    const [, , held] = intern('@unused:x', '@sought:x', '@held:x');
    sweep.slice();
    intern('@new:x');
    untilWaiting();
    clock.advance(HOUR - 1);
    assert.equal(sweep.slice(), false);
    interning.findUser('@sought:x');
    // Somebody has kept the number in memory and writes a row with it now.
    assert.ok(held);
    use(held);
    clock.advance(1);
    untilWaiting();
    assert.deepEqual(names('user', 'localpart'), ['sought', 'held', 'new']);
  });

  it('sees a use that moves from a row not yet read to a table that was', async () => {
    const { store, db, sweep, clock, intern, untilWaiting, names } = opened();
    await using _ = store;
    const [mover] = intern('@mover:x');
    assert.ok(mover);
    const put = db.prepare<[number], never>("INSERT INTO filter (user, id, digest, filter) VALUES (?, 1, x'00', '{}')");
    const take = db.prepare<[number], never>('DELETE FROM filter WHERE user = ?');
    const event = db.prepare<[number], never>(
      'INSERT INTO event (nid, room, type, sender, depth, ts, flags) VALUES (1, 1, 1, ?, 1, 1, 0)',
    );
    db.write<void>(() => void put.run(mover));
    // The events are read first, the filters near the end.
    sweep.slice();
    sweep.slice();
    db.write<void>(() => {
      event.run(mover);
      take.run(mover);
    });
    untilWaiting();
    clock.advance(HOUR);
    untilWaiting();
    assert.deepEqual(names('user', 'localpart'), ['mover']);
  });

  it('reads big tables in slices, by keys of one or more columns', async () => {
    const { store, db, intern, wholeGo, names } = opened();
    await using _ = store;
    const users = intern(...Array.from({ length: 2_500 }, (_, i) => `@u${i}:x`));
    const member = db.prepare<number[], never>(
      'INSERT INTO member (room, user, membership, event, pos) VALUES (?, ?, 1, 1, 1)',
    );
    db.write<void>(() => {
      for (const room of [1, 2] as RoomNid[]) for (const user of users.slice(500)) member.run(room, user);
    });
    wholeGo();
    assert.equal(names('user', 'localpart').length, 2_000);
    assert.equal(names('user', 'localpart')[0], 'u500');
  });

  it('takes numbers beyond a million in a go of their own', async () => {
    const { store, db, intern, use, wholeGo, names } = opened();
    await using _ = store;
    const [low] = intern('@low:x', '@gone-low:x');
    db.write<void>(
      () => void db.prepare<[], never>("UPDATE sqlite_sequence SET seq = 1 << 20 WHERE name = 'user'").run(),
    );
    const [border, , high] = intern('@border:x', '@gone-high:x', '@high:x');
    assert.ok(low && border === (1 << 20) + 1 && high);
    for (const nid of [low, border, high]) use(nid);
    const before = db.transactionCount;
    wholeGo();
    assert.deepEqual(names('user', 'localpart'), ['low', 'border', 'gone-high', 'high']);
    assert.equal(db.transactionCount, before + 2, 'one that deletes, one that keeps the place');
    wholeGo();
    assert.deepEqual(names('user', 'localpart'), ['low', 'border', 'high']);
  });

  it('begins the present kind again after a restart, not the first', async () => {
    const { store, db, interning, clock, sweep, wholeGo, untilWaiting, names } = opened();
    await using _ = store;
    db.write<void>(() => void interning.server('x.test'));
    wholeGo();
    sweep.slice();
    sweep.stop();
    const next = new Sweep(db, interning, { clock, serverName: 'own.test' as ServerName });
    while (next.slice());
    clock.advance(HOUR);
    while (next.slice());
    assert.deepEqual(names('server', 'name'), []);
    untilWaiting();
  });

  it('keeps event IDs that only bytes name: packed bodies and edges of the auth graph', async () => {
    const { store, db, interning, everything } = opened();
    await using _ = store;
    const { bodyPacker, events } = store.stores;
    const made = db.write(() => {
      const room = new StoreRoom(store, '11');
      return [room.create('@a:x'), room.join('@a:x'), room.message('@a:x', 'hello'), room.message('@a:x', 'again')];
    });
    while (bodyPacker.packSome(100) > 0);
    const [, join, first, last] = made;
    assert.ok(join && first && last);
    const canonical = events.canonical(last.nid);
    db.write<void>(() => {
      for (let i = 0; i < 3; i++) interning.event(`$unused${i}`);
      // As a purge might: the events go, and what names them stays.
      for (const { nid } of [join, first]) {
        for (const { table, column } of references.event_id.map(columnOf)) {
          db.prepare<[number], never>(`DELETE FROM ${table} WHERE ${column} = ?`).run(nid);
        }
      }
    });
    everything();
    assert.equal(events.canonical(last.nid), canonical);
    assert.deepEqual(
      ['$unused0', '$unused1', '$unused2'].map((id) => interning.findEvent(id)),
      [undefined, undefined, undefined],
    );
    assert.deepEqual(
      [...interning.eventIds(made.map(({ nid }) => nid)).keys()].sort(),
      made.map(({ nid }) => nid),
    );
  });

  it('spares what a body is packed with while it goes on', async () => {
    const { store, db, interning, sweep, clock, untilWaiting, wholeGo } = opened();
    await using _ = store;
    for (let kind = 0; kind < 5; kind++) wholeGo();
    const { bodyPacker, events } = store.stores;
    const last = db.write(() => {
      const room = new StoreRoom(store, '11');
      room.create('@a:x');
      return room.join('@a:x');
    });
    const canonical = events.canonical(last.nid);
    untilWaiting();
    while (bodyPacker.packSome(100) > 0);
    clock.advance(HOUR);
    while (sweep.slice());
    interning.clearCache('event_id');
    assert.equal(events.canonical(last.nid), canonical);
  });

  it('rests for most of a day before the next kind', async () => {
    const { store, clock, sweep, untilWaiting } = opened();
    await using _ = store;
    untilWaiting();
    clock.advance(HOUR);
    untilWaiting();
    clock.advance(21 * HOUR);
    assert.equal(sweep.slice(), false);
    clock.advance(HOUR);
    assert.equal(sweep.slice(), true);
  });

  it('knows every column of the schema that holds the number of a string', async () => {
    await using store = openTestStore();
    const columns = store.db
      .prepare<[], string>(
        `SELECT t.name || '.' || c.name FROM pragma_table_list AS t JOIN pragma_table_info(t.name) AS c
         WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite%'`,
      )
      .pluck()
      .all();
    const words: [SweptKind, RegExp][] = [
      ['user', /\.(user|sender|uploader|creator|signer|reporter|reported)$/],
      ['server', /\.(server|origin)$/],
      ['room', /\.room$/],
      ['state_key', /\.(state_key|key)$/],
      ['event_type', /\.(type|rel)$/],
      [
        'event_id',
        /^event(_raw|_body)?\.nid$|\.(event|child|parent|target|redaction|witness|thread|root|edit|missing)$/,
      ],
    ];
    // Of the same name, but text or another number.
    const texts = new Set([
      'meta.key',
      'account_data.type',
      'line.parent',
      'one_time_key.key',
      'fallback_key.key',
      'cross_signing_key.key',
      'to_device.type',
      'key_signature.target',
    ]);
    for (const [kind, pattern] of words) {
      const found = columns.filter((column) => pattern.test(column) && !texts.has(column));
      assert.deepEqual([...references[kind]].sort(), found.sort(), kind);
    }
  });
});

function columnOf(reference: string): { table: string; column: string } {
  const [table = '', column = ''] = reference.split('.');
  return { table, column };
}
