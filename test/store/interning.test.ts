import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { eventIdText, storedEventId } from '../../src/store/interning/event-ids.ts';
import { wellKnown } from '../../src/store/interning/well-known.ts';
import type { EventNid } from '../../src/store/nids.ts';
import { openTestStore } from '../support/store.ts';

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));
const standard = (bytes: Buffer) => `$${bytes.toString('base64').replace(/=+$/, '')}`;

describe('stored event IDs', () => {
  const zeros = 'A'.repeat(43);
  const table: [what: string, id: string, alphabet: number][] = [
    ['a hash in the URL-safe alphabet', `$_-${'A'.repeat(41)}`, 4],
    ['a hash in the standard alphabet', `$/+${'A'.repeat(41)}`, 3],
    ['a hash that fits both alphabets', `$${zeros}`, 4],
    ['letters of both alphabets', `$-+${'A'.repeat(41)}`, 0],
    ['stray bits in the last letter', `$${'A'.repeat(42)}B`, 0],
    ['padding', `$${zeros}=`, 0],
    ['another sigil', `!${zeros}`, 0],
    ['an ID of room versions 1 and 2', '$143273582443PhrSn:example.org', 0],
    ['a legacy ID of the same length', `$${'A'.repeat(40)}:ab`, 0],
    ['the empty text', '', 0],
  ];
  for (const [what, id, alphabet] of table) {
    it(`take ${what} for alphabet ${alphabet} and give the identical text back`, () => {
      const stored = storedEventId(id);
      assert.equal(stored.alphabet, alphabet);
      assert.equal(eventIdText(stored), id);
    });
  }

  it('round-trip every hash in either alphabet, and any text', () => {
    const ids = fc.oneof(
      hash.map(standard),
      hash.map((bytes) => `$${bytes.toString('base64url')}`),
      fc.string(),
    );
    fc.assert(
      fc.property(ids, (id) => assert.equal(eventIdText(storedEventId(id)), id)),
      { seed: 3, numRuns: 300 },
    );
  });
});

describe('Interning', () => {
  it('gives one NID per string and the string back, for every kind', async () => {
    await using store = openTestStore();
    const { interning } = store.stores;
    const kinds: [
      texts: string[],
      intern: (t: string) => number,
      find: (t: string) => number | undefined,
      back: (n: never) => string,
    ][] = [
      [
        ['a.test', 'a.test:8448', '[::1]:80', ''],
        (t) => interning.server(t),
        (t) => interning.findServer(t),
        (n) => interning.serverName(n),
      ],
      [
        ['@a:b', '@a:b:8448', '@:b', '@A:b', '@a:', '@ü/=:[::1]:1'],
        (t) => interning.user(t),
        (t) => interning.findUser(t),
        (n) => interning.userId(n),
      ],
      [['!a:b', '!opaque', ''], (t) => interning.room(t), (t) => interning.findRoom(t), (n) => interning.roomId(n)],
      [
        ['m.room.member', 'x', '', 'nul\0x', 'nul'],
        (t) => interning.type(t),
        (t) => interning.findType(t),
        (n) => interning.typeName(n),
      ],
      [
        ['$a:b', `$${'A'.repeat(43)}`, `$${'/'.repeat(42)}8`, `$${'_'.repeat(42)}8`, '$'],
        (t) => interning.event(t),
        (t) => interning.findEvent(t),
        (n) => interning.eventId(n),
      ],
    ];
    for (const [texts, intern, find, back] of kinds) {
      for (const text of texts) if (text !== 'm.room.member') assert.equal(find(text), undefined, text);
      const nids = store.db.write(() => texts.map(intern));
      assert.equal(new Set(nids).size, texts.length);
      for (const cached of [true, false]) {
        if (!cached)
          for (const kind of ['server', 'user', 'room', 'event_type', 'event_id'] as const) interning.clearCache(kind);
        assert.deepEqual(texts.map(find), nids);
        assert.deepEqual(
          nids.map((nid) => back(nid as never)),
          texts,
        );
      }
      assert.deepEqual(
        store.db.write(() => texts.map(intern)),
        nids,
      );
    }
  });

  it('keeps (type, state key) pairs apart and gives both halves back', async () => {
    await using store = openTestStore();
    const { interning } = store.stores;
    const pairs: [string, string][] = [
      ['m.room.member', '@a:b'],
      ['m.room.member', ''],
      ['x', ''],
      ['x', ' '],
      ['x', '1'],
      ['x 1', ''],
      ['', ''],
    ];
    for (const [type, skey] of pairs.slice(2)) assert.equal(interning.findStateKey(type, skey), undefined);
    const nids = store.db.write(() => pairs.map(([type, skey]) => interning.stateKey(type, skey)));
    assert.equal(new Set(nids).size, pairs.length);
    interning.clearCache('state_key');
    for (const [i, nid] of nids.entries()) {
      const { type, skey, typeNid } = interning.stateKeyOf(nid);
      assert.deepEqual([type, skey], pairs[i]);
      assert.equal(interning.findType(type), typeNid);
      assert.equal(interning.findStateKey(type, skey), nid);
    }
  });

  it('knows the fixed numbers without asking the database', async () => {
    await using store = openTestStore();
    const { interning } = store.stores;
    assert.equal(interning.findType('m.room.create'), wellKnown.types.create);
    assert.equal(interning.typeName(wellKnown.types.serverAcl), 'm.room.server_acl');
    assert.equal(interning.findStateKey('m.room.power_levels', ''), wellKnown.stateKeys.powerLevels);
    assert.deepEqual(interning.stateKeyOf(wellKnown.stateKeys.name), {
      type: 'm.room.name',
      skey: '',
      typeNid: wellKnown.types.name,
    });
  });

  it('refuses what is no user ID', async () => {
    await using store = openTestStore();
    const { interning } = store.stores;
    for (const text of ['', 'a:b', '@ab', '@']) {
      assert.equal(interning.findUser(text), undefined);
      assert.throws(() => store.db.write(() => interning.user(text)), TypeError);
    }
  });

  it('forgets what a rolled-back write had interned, as its number is given out again', async () => {
    await using store = openTestStore();
    const {
      db,
      stores: { interning },
    } = store;
    const lost: number[] = [];
    const intern = (name: string) => [
      interning.server(`${name}.test`),
      interning.user(`@${name}:x`),
      interning.room(`!${name}`),
      interning.type(name),
      interning.stateKey('m.room.member', name),
      interning.event(`$${name}`),
      interning.event(`$${name.repeat(43)}`),
    ];
    db.write<void>(() => {
      assert.throws(() =>
        db.write<void>(() => {
          lost.push(...intern('a'));
          throw new Error('boom');
        }),
      );
      assert.equal(interning.findServer('a.test'), undefined);
      const kept = intern('b');
      assert.deepEqual(kept, lost);
      assert.equal(interning.serverName(kept[0] as never), 'b.test');
      assert.equal(interning.userId(kept[1] as never), '@b:x');
      assert.equal(interning.eventId(kept[5] as never), '$b');
    });
    assert.equal(interning.findUser('@a:x'), undefined);
    assert.equal(interning.findEvent('$a'), undefined);
    assert.equal(interning.findStateKey('m.room.member', 'a'), undefined);
  });

  it('agrees with a plain map whatever is interned, looked up and rolled back', async () => {
    await using store = openTestStore();
    const {
      db,
      stores: { interning },
    } = store;
    const model = new Map<string, number>();
    const step = fc.record({ ids: fc.array(fc.constantFrom('$a', '$b', '$c', '$d', '$e', '$f')), fails: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        for (const { ids, fails } of steps) {
          const before = new Map(model);
          try {
            db.write<void>(() => {
              for (const id of ids) {
                const nid = interning.event(id);
                assert.equal(model.get(id) ?? nid, nid);
                model.set(id, nid);
              }
              if (fails) throw new Error('boom');
            });
          } catch {
            model.clear();
            for (const [id, nid] of before) model.set(id, nid);
          }
          for (const id of ['$a', '$b', '$c', '$d', '$e', '$f']) assert.equal(interning.findEvent(id), model.get(id));
          for (const [id, nid] of model) assert.equal(interning.eventId(nid as EventNid), id);
        }
      }),
      { seed: 4, numRuns: 40 },
    );
  });

  it('interns inside a write only', async () => {
    await using store = openTestStore();
    assert.throws(() => store.stores.interning.server('a.test'), /outside of a transaction/);
  });

  it('stores text that UTF-8 cannot say with replacement characters, in memory as well', async () => {
    await using store = openTestStore();
    const { interning } = store.stores;
    const nids = store.db.write(() => [interning.type('\ud800'), interning.type('\ufffd')]);
    assert.equal(nids[0], nids[1]);
    assert.equal(interning.typeName(nids[0] as never), '\ufffd');
  });

  it('finds the IDs of many events at once', async () => {
    await using store = openTestStore();
    const { interning } = store.stores;
    const ids = ['$a', '$b', `$${'A'.repeat(43)}`];
    const nids = store.db.write(() => ids.map((id) => interning.event(id)));
    interning.clearCache('event_id');
    interning.eventId(nids[1] as EventNid);
    const found = interning.eventIds([...nids, 999_999 as EventNid]);
    assert.deepEqual(
      nids.map((nid) => found.get(nid)),
      ids,
    );
    assert.equal(found.size, 3);
  });
});
