import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import { checkConsistency } from '../../src/store/check.ts';
import { StoreRoom } from '../support/rooms/store-room.ts';
import { openTestStore, type TestStore } from '../support/store.ts';

const check = (store: TestStore) => checkConsistency(store.db, asServerName('localhost'));

/** Two rooms with everything that a healthy database has. */
function fill(store: TestStore): void {
  store.db.write<void>(() => {
    for (const version of ['2', '12']) {
      const room = new StoreRoom(store, version, `!v${version}:localhost`);
      room.create('@ann:localhost');
      room.join('@ann:localhost');
      room.add('@ann:localhost', 'm.room.power_levels', { users: {} }, '');
      room.join('@bob:elsewhere');
      room.member('@cat:localhost', 'invite', '@ann:localhost');
      room.message('@ann:localhost', 'hello');
      room.member('@bob:elsewhere', 'leave');
      room.message('@ann:localhost', 'gone');
    }
  });
}

/** [what somebody breaks, what the check says] */
const damages: readonly (readonly [string, RegExp])[] = [
  ['DELETE FROM current_state WHERE key = 3', /Room 1: state key 3 .* is missing in current_state/],
  ['UPDATE current_state SET pos = pos + 1 WHERE key = 3', /is there without a reason in current_state/],
  ['UPDATE room_info SET joined = 7', /counts of members, states or servers/],
  ['UPDATE room_info SET servers = 7', /counts of members, states or servers/],
  ['DELETE FROM member WHERE membership = 2', /the member row of state key \d+ is not what/],
  ["INSERT INTO member SELECT room, 99, 4, 1, 1 FROM room_info WHERE version = '2'", /member rows have no entry/],
  ['UPDATE local_member SET membership = 4 WHERE membership = 1', /another membership in local_member/],
  ['INSERT INTO local_member (user, room, membership, event, pos) VALUES (77, 1, 1, 1, 1)', /counts as joined but/],
  ['UPDATE room_server SET to_pos = NULL, joined = 1', /server \d+ with 1 joined users is there without a reason/],
  ['UPDATE room_server SET to_pos = from_pos', /overlap or are empty/],
  ['UPDATE room_info SET line = 999', /its main line 999 is not the newest/],
  ['UPDATE line SET depth = 3', /Line 1: its parent, its depth or its room is wrong/],
  ['DELETE FROM line', /Line 1: it has state changes but does not exist/],
  ['UPDATE state_change SET event = 6 WHERE key = 3', /which is no state event of the room under that key/],
  ['UPDATE event SET line = 77 WHERE nid = 3', /on line 77, which its room does not have/],
  ['DELETE FROM event_raw WHERE nid = 2', /Event 2: it has 0 bodies instead of one/],
  ["INSERT INTO event_body VALUES (2, 0, x'7b7d')", /Event 2: it has 2 bodies/],
  ["INSERT INTO event_body VALUES (9999, 0, x'7b7d')", /Body 9999: its event is not there/],
  ['DELETE FROM event_id WHERE nid = 2', /Event 2: its ID, room, type, sender or state key is not interned/],
  ['DELETE FROM stream_event WHERE event = 2', /Event 2 .* is missing in the stream/],
  ['DELETE FROM timeline WHERE event = 2', /Event 2 .* is missing in the timeline/],
  ['UPDATE event SET flags = 1 WHERE nid = 6', /Event 6: its flags \(1\) and its places/],
  ['UPDATE segment SET from_pos = 4 WHERE nid = 1', /is outside of its segment/],
  ['UPDATE room_info SET last_pos = 1', /position of its newest event is wrong/],
  ['DELETE FROM forward_extremity WHERE room = 1', /is missing among the forward extremities/],
  ['INSERT INTO forward_extremity VALUES (1, 2)', /event 2 is there without a reason among the forward/],
  ['INSERT INTO backward_extremity VALUES (1, 2, 999)', /event 2 before event 999 is not missing, or that is not in/],
  ['INSERT INTO history_state VALUES (1, 3, 9, 999)', /key 3 is followed at 9 as event 999/],
  ['UPDATE segment SET older = nid', /it goes on in segment \d+, which is not before it/],
  ['INSERT INTO event_edge VALUES (5555, 2)', /Event 5555: it has an edge to event 2 but is not there/],
  ['INSERT INTO redaction VALUES (6, 8)', /Event 6: redaction 8 was applied to it/],
  ['DELETE FROM auth_node WHERE event = 2', /Event 2: it is a state event .* not in the auth graph/],
  ['UPDATE auth_node SET rank = 40 WHERE event = 2', /Event 2: its rank in the auth graph is 40 instead of 1/],
  ['UPDATE auth_node SET seq = 9 WHERE event = 7', /Event 7: its predecessor in auth chain/],
  ["UPDATE auth_node SET edges = x'01' WHERE event = 3", /Event 3: its edges are not the auth_events/],
  ['DELETE FROM auth_child', /it is no child of its auth event/],
  ['INSERT INTO auth_child VALUES (1, 2)', /auth_child has 1 rows that are no edges/],
  ['UPDATE event SET membership = 5 WHERE nid = 2', /Event 2: its membership is not that of its body/],
  ['UPDATE event SET sender = 2 WHERE nid = 6', /Event 6: its sender is not that of its body/],
  ['UPDATE event SET type = 41 WHERE nid = 6', /Event 6: its type is not that of its body/],
  ['INSERT INTO unread VALUES (1, 1, 0, 1, 2, 5)', /User 1 has 2 highlights in room 1, thread 0/],
  ['INSERT INTO push_action (user, room, pos, event, thread, highlight) VALUES (1, 1, 5, 6, 0, 0)', /What notified user 1 at position 5 in room 1 is not counted/], // biome-ignore format: a table
  ['INSERT INTO push_read (user, pos, room, event, highlight, actions) VALUES (1, 5, 1, 6, 0, 0)', /User 1 is notified of event 6 at position 5, where it is not/], // biome-ignore format: a table
  ['INSERT INTO unread VALUES (1, 1, 0, 1, 0, 5)', /User 1 has 1 unread events in room 1, thread 0, but only 0/],
  ["INSERT INTO message_text (rowid, words) VALUES (9999, 'x')", /Event 9999 can be found by its words/],
  ["INSERT INTO redacted_original VALUES (1, 6, x'7b7d')", /What event 6 said before it was redacted is kept/],
  ["INSERT INTO pusher (user, device, app_id, pushkey, app_display_name, device_display_name, lang, data, enabled, updated, cursor) VALUES (1, 9, '', '', '', '', '', '{}', 1, 1, 1)", /Pusher 1 is of device 9/], // biome-ignore format: a table
  ['DELETE FROM event_edge WHERE child = 6', /Event 6: its edges are not the prev_events/],
  ['UPDATE event_raw SET body = (SELECT body FROM event_raw AS other WHERE other.nid = 8) WHERE nid = 6', /Event 6: its body is not that of its ID/], // biome-ignore format: a table
];

describe('checkConsistency', () => {
  it('finds nothing wrong in a healthy database, packed or not', async () => {
    await using store = openTestStore();
    fill(store);
    assert.deepEqual(check(store), []);
    while (store.stores.bodyPacker.packSome(100) > 0);
    assert.deepEqual(check(store), []);
  });

  it('says in a sentence what is wrong', async () => {
    await using store = openTestStore();
    fill(store);
    for (const [damage, sentence] of damages) {
      const undone = new Error('undone');
      const run = () =>
        store.db.write<void>(() => {
          store.db.prepare<[], never>(damage).run();
          assert.match(check(store).join('\n'), sentence, damage);
          throw undone;
        });
      assert.throws(run, undone);
    }
    assert.deepEqual(check(store), []);
  });
});
