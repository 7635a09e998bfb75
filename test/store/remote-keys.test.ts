import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asKeyId } from '../../src/protocol/ids/key-id.ts';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import { asUserId } from '../../src/protocol/ids/user-id.ts';
import type { ServerNid } from '../../src/store/nids.ts';
import { millis } from '../../src/util/brand.ts';
import { openTestStore, type TestStore } from '../support/store.ts';

const keyId = (number: number) => asKeyId(`ed25519:k${number}`);
const row = (number: number, expired: 0 | 1 = 0) =>
  ({ keyId: keyId(number), publicKey: Buffer.alloc(32), validUntil: millis(number), expired }) as const;

/** A server whose keys were fetched at a time. */
function meet({ db, stores }: TestStore, name: string, fetched: number): ServerNid {
  return db.write(() => {
    const server = stores.interning.server(asServerName(name));
    stores.remoteKeys.put(server, row(1));
    stores.remoteKeys.putAnswer(server, { answer: '{}', validUntil: millis(fetched), fetched: millis(fetched) });
    return server;
  });
}

describe('the keys of other servers', () => {
  it('of one that makes up ever new ones, those in use and those used last are kept', async () => {
    await using store = openTestStore();
    const { db, stores } = store;
    const server = meet(store, 'a.test', 1);
    db.write<void>(() => {
      for (let number = 1; number <= 10; number++) stores.remoteKeys.put(server, row(number, 1));
      stores.remoteKeys.put(server, row(0));
      stores.remoteKeys.trim(server, 3);
    });
    const kept = Array.from({ length: 11 }, (_, number) => number).filter(
      (number) => stores.remoteKeys.get(server, keyId(number)) !== undefined,
    );
    assert.deepEqual(kept, [0, 9, 10]);
  });

  it('of many servers, those fetched longest ago are forgotten, but for keys of servers whose users were met', async () => {
    await using store = openTestStore();
    const { db, stores } = store;
    const servers = ['a.test', 'b.test', 'c.test', 'd.test'].map((name, at) => meet(store, name, at));
    db.write(() => stores.interning.user(asUserId('@somebody:b.test')));
    const forget = (limit: number) => db.write(() => stores.remoteKeys.forget(1, limit));
    assert.deepEqual([forget(2), forget(2), forget(2)], [true, false, false]);
    assert.deepEqual(
      servers.map((server) => [
        stores.remoteKeys.answer(server) !== undefined,
        stores.remoteKeys.get(server, keyId(1)) !== undefined,
      ]),
      [
        [false, false],
        [false, true],
        [false, false],
        [true, true],
      ],
    );
  });

  it('servers themselves are forgotten when there are too many, those heard of longest ago first', async () => {
    await using store = openTestStore();
    const { db, stores } = store;
    const servers = ['a.test', 'b.test', 'c.test'].map((name, at) => {
      const server = meet(store, name, at);
      db.write<void>(() => stores.remoteServers.answered(server, millis(at)));
      return server;
    });
    db.write(() => stores.remoteServers.forget({ known: millis(0), never: millis(0), most: 2 }, 10));
    assert.deepEqual(
      servers.map((server) => stores.remoteServers.get(server) !== undefined),
      [false, true, true],
    );
  });
});
