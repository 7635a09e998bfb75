import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SearchWorld } from '../client/search/search-world.ts';

describe('the search index', () => {
  it('follows the stream in the background and goes on where it was', async () => {
    await using at = await SearchWorld.open(['alice']);
    const { messageText } = at.world.hs.stores;
    const query = { beginnings: ['needle'], tokens: [], rooms: undefined, kinds: undefined };
    const found = () => messageText.find(query, Number.MAX_SAFE_INTEGER, 1000).length;
    const room = await at.room('alice');
    for (let i = 0; i < 120; i++) await at.say('alice', room, `needle ${i}`);
    // Time that passed while they were sent has run some slices already.
    for (let turn = 0; turn < 200 && found() < 120; turn++) {
      at.world.clock.advance(1000);
      await new Promise((done) => setImmediate(done));
    }
    assert.equal(found(), 120);
    const before = messageText.cursor;
    await at.say('alice', room, 'needle again');
    assert.ok(messageText.cursor >= before);
    assert.equal((await at.search('alice', 'needle')).count, 121);
  });

  it('is emptied by what switches it off', async () => {
    await using at = await SearchWorld.open(['alice']);
    const { db, stores } = at.world.hs;
    const room = await at.room('alice');
    await at.say('alice', room, 'needle');
    assert.equal((await at.search('alice', 'needle')).count, 1);
    db.write<void>(() => stores.messageText.clear());
    const query = { beginnings: ['needle'], tokens: [], rooms: undefined, kinds: undefined };
    assert.equal(stores.messageText.find(query, Number.MAX_SAFE_INTEGER, 10).length, 0);
    assert.equal(stores.messageText.cursor, 0);
    const emptied = at.world.hs.admin.database.sizes();
    assert.ok(emptied.file > emptied.search && emptied.search > 0 && emptied.free >= 0);
    // Indexing begins anew, and finds the same.
    assert.equal((await at.search('alice', 'needle')).count, 1);
  });
});
