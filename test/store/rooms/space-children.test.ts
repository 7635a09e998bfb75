import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { spaceChildren } from '../../../src/directory/space-children.ts';
import { StoreRoom } from '../../support/rooms/store-room.ts';
import { openTestStore } from '../../support/store.ts';

const alice = '@alice:localhost';

describe('the children of a space', () => {
  it('are those of its current state, a bounded number of them, whatever other rooms have', async () => {
    await using store = openTestStore();
    const { roomDirectory } = store.stores;
    const open = (name: string, children: number) => {
      const room = new StoreRoom(store, '11', `!${name}:localhost`);
      room.create(alice);
      room.join(alice);
      const via = { via: ['localhost'] };
      const events = Array.from({ length: children }, (_, at) =>
        room.add(alice, 'm.space.child', via, `!child${at}:localhost`),
      );
      return { room, events };
    };
    const { space, other } = store.db.write(() => ({ space: open('space', 20), other: open('other', 4010) }));
    store.db.write(() => space.room.add(alice, 'm.space.child', {}, '!child7:localhost'));
    const listed = spaceChildren(store.stores, space.room.nid, false).map(({ state_key: child }) => child);
    assert.deepEqual(
      listed,
      Array.from({ length: 20 }, (_, at) => `!child${at}:localhost`).filter((child) => child !== '!child7:localhost'),
    );
    assert.deepEqual(new Set(roomDirectory.children(space.room.nid, 100)).size, 20);
    assert.equal(roomDirectory.children(other.room.nid, 5000).length, 4010);
    assert.equal(roomDirectory.children(other.room.nid, 4000).length, 4000);
    assert.equal(spaceChildren(store.stores, other.room.nid, false).length, 1000);
  });
});
