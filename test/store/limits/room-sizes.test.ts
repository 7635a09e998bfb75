import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isExplained, isOfRooms } from '../../../src/store/limits/room-sizes.ts';
import { references } from '../../../src/store/sweep.ts';
import { openTestStore } from '../../support/store.ts';

/** SQLite's own, and a handful of settings. */
const technical = /^(sqlite_|meta$|join_sample$)/;

/** They name rooms, at most once each, and are what somebody else costs: the user, another server, or nobody, as there are few of them. */
const notOfRooms =
  /^(account_data|alias|backup_session|empty_room|history_floor|notice_room|open_room|outgoing_room|outgrown_room|push_read|report|room_\w+|thinning|unsettled_room)$/;

describe('the ledger', () => {
  it('has a word for every table', async () => {
    await using store = openTestStore();
    const tables = store.db.prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck().all();
    assert.deepEqual(
      tables.filter((table) => !technical.test(table) && !isExplained(table)),
      [],
    );
  });

  it('tells rooms what they have of every table that can grow with them', () => {
    const ofRooms = new Set(references.room.map((column) => column.slice(0, column.indexOf('.'))));
    assert.deepEqual(
      [...ofRooms].filter((table) => !isOfRooms(table) && !notOfRooms.test(table)),
      [],
    );
  });
});
