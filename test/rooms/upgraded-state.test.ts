import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asUserId } from '../../src/protocol/ids/user-id.ts';
import { type RoomVersionRules, roomVersionRules } from '../../src/protocol/room-versions.ts';
import { closedPowerLevels, upgradedJoinRules, upgradedPowerLevels } from '../../src/rooms/upgrade/upgraded-state.ts';
import type { JsonObject } from '../../src/util/json.ts';

const rules = (version: string) => roomVersionRules(version) as RoomVersionRules;
const alice = asUserId('@alice:localhost');

const levels: [string, from: string, to: string, JsonObject, JsonObject][] = [
  [
    'takes creators out of the list and puts the tombstone above state_default',
    '11',
    '12',
    { users: { '@alice:localhost': 100, '@bob:localhost': 50 }, state_default: 50 },
    { users: { '@bob:localhost': 50 }, state_default: 50, events: { 'm.room.tombstone': 150 } },
  ],
  [
    'leaves a tombstone that is above state_default where it was',
    '11',
    '12',
    { users: {}, state_default: 60, events: { 'm.room.tombstone': 100 } },
    { users: {}, state_default: 60, events: { 'm.room.tombstone': 100 } },
  ],
  [
    'puts the tombstone above a high state_default',
    '10',
    '12',
    { state_default: 200, events: { 'm.room.tombstone': 100 } },
    { users: {}, state_default: 200, events: { 'm.room.tombstone': 201 } },
  ],
  [
    'gives the upgrader a level where creators have none of their own',
    '12',
    '11',
    { users: { '@bob:localhost': 100 }, events: { 'm.room.tombstone': 150 } },
    { users: { '@alice:localhost': 150, '@bob:localhost': 100 }, events: { 'm.room.tombstone': 150 } },
  ],
  [
    'reads levels written as strings',
    '6',
    '10',
    { users: { '@alice:localhost': '100', '@bob:localhost': 'much' }, ban: '50', kick: null },
    { users: { '@alice:localhost': 100 }, ban: 50 },
  ],
  [
    'keeps what it does not know',
    '10',
    '11',
    { users: { '@alice:localhost': 100 }, 'org.example': { a: 1 }, notifications: { room: 20 } },
    { users: { '@alice:localhost': 100 }, 'org.example': { a: 1 }, notifications: { room: 20 } },
  ],
];

describe('power levels of an upgraded room', () => {
  for (const [what, from, to, before, after] of levels) {
    it(what, () => {
      const frame = { from: rules(from), to: rules(to), upgrader: alice, creators: [alice] };
      assert.deepEqual(upgradedPowerLevels(before, frame), after);
    });
  }

  it('are those of a new room if there were none', () => {
    const frame = { from: rules('11'), to: rules('11'), upgrader: alice, creators: [alice] };
    assert.deepEqual(upgradedPowerLevels(undefined, frame)['users'], { [alice]: 100 });
  });

  it('close the old room to all but moderators, and never open it', () => {
    const closed = (content: JsonObject) => {
      const { events_default, invite } = closedPowerLevels(content, rules('9'));
      return [events_default, invite];
    };
    assert.deepEqual(closed({}), [50, 50]);
    assert.deepEqual(closed({ users_default: 50 }), [51, 51]);
    assert.deepEqual(closed({ events_default: 80, invite: '10' }), [80, 50]);
  });
});

describe('join rules of an upgraded room', () => {
  const cases: [string, string, string][] = [
    ['public', '1', 'public'],
    ['knock', '6', 'invite'],
    ['knock', '7', 'knock'],
    ['restricted', '7', 'invite'],
    ['restricted', '8', 'restricted'],
    ['knock_restricted', '9', 'restricted'],
    ['knock_restricted', '7', 'invite'],
    ['knock_restricted', '10', 'knock_restricted'],
  ];
  for (const [before, to, after] of cases) {
    it(`${before} in version ${to} is ${after}`, () => {
      assert.deepEqual(upgradedJoinRules({ join_rule: before, allow: [] }, rules(to)), { join_rule: after, allow: [] });
    });
  }
});
