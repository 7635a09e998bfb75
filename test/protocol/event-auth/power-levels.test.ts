import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PowerLevels, parseLevel } from '../../../src/protocol/event-auth/power-levels.ts';
import type { JsonObject, JsonValue } from '../../../src/util/json.ts';
import {
  ALICE,
  AuthRoom,
  BOB,
  type ByVersion,
  CAROL,
  checkSituations,
  DAVE,
  type EventDraft,
  HANK,
  versionsIn,
} from '../../support/rooms/auth-room.ts';

/** A change of the power levels as they are. */
function change(sender: string, changes: JsonObject): (room: AuthRoom) => EventDraft {
  return (room) => {
    const current = room.state.get('m.room.power_levels', '')?.content ?? {};
    return { type: 'm.room.power_levels', state_key: '', sender, content: { ...current, ...changes } };
  };
}

function users(room: AuthRoom, changes: JsonObject): JsonObject {
  return { ...(room.baseLevels()['users'] as JsonObject), ...changes };
}

function changeUsers(sender: string, changes: JsonObject): (room: AuthRoom) => EventDraft {
  return (room) => change(sender, { users: users(room, changes) })(room);
}

/** Rule 10.x by its number in versions 1 to 9 and, with one more in between each, 10 and 12. */
function rejectedBy(part: number, sub = ''): ByVersion {
  return {
    '1-5': `10.${part}${sub}`,
    '6-9': `9.${part}${sub}`,
    '10-11': `9.${part + 2}${sub}`,
    '12': `10.${part + 3}${sub}`,
  };
}

const onlyNumbers = { '1-9': 'allow', '10-11': '9.1', '12': '10.1' };

describe('rule 10.1 to 10.4: values of m.room.power_levels', () => {
  const room = (each: AuthRoom) => each.without('m.room.power_levels');
  checkSituations([
    {
      situation: 'the first is allowed',
      room,
      event: change(ALICE, { users: { [HANK]: 7 } }),
      verdict: { '1-12': 'allow' },
    },
    { situation: 'ban is a string', room, event: change(ALICE, { ban: '50' }), verdict: onlyNumbers },
    { situation: 'invite is null', room, event: change(ALICE, { invite: null }), verdict: onlyNumbers },
    {
      situation: 'events is no object',
      room,
      event: change(ALICE, { events: [] }),
      verdict: { '1-9': 'allow', '10-11': '9.2', '12': '10.2' },
    },
    {
      situation: 'notifications holds a string',
      room,
      event: change(ALICE, { notifications: { room: '50' } }),
      verdict: { '1-9': 'allow', '10-11': '9.2', '12': '10.2' },
    },
    {
      situation: 'users is no object',
      room,
      event: change(ALICE, { users: 5 }),
      verdict: { '1-5': '10.1', '6-9': '9.1', '10-11': '9.3', '12': '10.3' },
    },
    {
      situation: 'users names what is no user ID',
      room,
      event: change(ALICE, { users: { bob: 5 } }),
      verdict: { '1-5': '10.1', '6-9': '9.1', '10-11': '9.3', '12': '10.3' },
    },
    {
      situation: 'users holds a string of digits',
      room,
      event: change(ALICE, { users: { [BOB]: ' +050 ' } }),
      verdict: { '1-9': 'allow', '10-11': '9.3', '12': '10.3' },
    },
    {
      situation: 'users holds another string',
      room,
      event: change(ALICE, { users: { [BOB]: '5.0' } }),
      verdict: { '1-5': '10.1', '6-9': '9.1', '10-11': '9.3', '12': '10.3' },
    },
    {
      situation: 'users holds a fraction',
      room,
      event: change(ALICE, { users: { [BOB]: 50.57 } }),
      verdict: { '1-5': 'allow', '6-9': '9.1', '10-11': '9.3', '12': '10.3' },
    },
    {
      situation: 'users holds more than a double',
      room,
      event: change(ALICE, { users: { [BOB]: Number.POSITIVE_INFINITY } }),
      verdict: { '1-5': '10.1', '6-9': '9.1', '10-11': '9.3', '12': '10.3' },
    },
    {
      situation: 'users is absent',
      room,
      event: change(ALICE, {}),
      verdict: { '1-12': 'allow' },
    },
    {
      situation: 'users names the sender of the create event',
      room,
      event: change(ALICE, { users: { [ALICE]: 100 } }),
      verdict: { '1-11': 'allow', '12': '10.4' },
    },
    {
      situation: 'users names an additional creator',
      room: (each) =>
        room(each).put(
          'm.room.create',
          '',
          ALICE,
          { creator: ALICE, additional_creators: [HANK] },
          { prev_events: [] },
        ),
      event: change(ALICE, { users: { [HANK]: 100 } }),
      verdict: { '1-11': 'allow', '12': '10.4' },
    },
  ]);
});

describe('rule 10.6: a changed single level', () => {
  for (const field of ['users_default', 'events_default', 'state_default', 'ban', 'redact', 'kick', 'invite']) {
    const at = (level: number) => (room: AuthRoom) =>
      room.levels({ [field]: level, events: { 'm.room.power_levels': 0 } });
    // users_default and events_default would otherwise give or take the power to send at all.
    checkSituations([
      {
        situation: `${field} within the own power`,
        room: at(40),
        event: change(BOB, { [field]: 50 }),
        verdict: { '1-12': 'allow' },
      },
      {
        situation: `${field} above the own power`,
        room: at(60),
        event: change(BOB, { [field]: 50 }),
        verdict: rejectedBy(3, '.1'),
      },
      {
        situation: `${field} to above the own power`,
        room: at(40),
        event: change(BOB, { [field]: 51 }),
        verdict: rejectedBy(3, '.2'),
      },
      {
        situation: `${field} above the own power, unchanged`,
        room: at(60),
        event: change(BOB, { events: {} }),
        verdict: { '1-12': 'allow' },
      },
    ]);
  }
  checkSituations([
    { situation: 'ban added above the own power', event: change(BOB, { ban: 60 }), verdict: rejectedBy(3, '.2') },
    {
      situation: 'ban removed that was above the own power',
      room: (room) => room.levels({ ban: 60 }),
      event: (room) => ({ ...change(BOB, {})(room), content: room.baseLevels() }),
      verdict: rejectedBy(3, '.1'),
    },
    {
      situation: 'a default above the own power is no current value',
      room: (room) => room.levels({ events: { 'm.room.power_levels': 0 } }),
      event: change(CAROL, { ban: 0 }),
      verdict: { '1-12': 'allow' },
    },
    {
      situation: 'the same level in another form is no change',
      room: (room) => room.levels({ ban: 60 }),
      event: change(BOB, { ban: '060' }),
      verdict: { '1-9': 'allow' },
    },
    {
      situation: 'ban to what is no level',
      event: change(ALICE, { ban: 'much' }),
      verdict: { '1-5': '10.3.2', '6-9': '9.3.2' },
    },
    {
      situation: 'any level by a creator',
      event: change(ALICE, { ban: 2 ** 53 - 1 }),
      verdict: { '1-5': '10.3.2', '6-9': '9.3.2', '10-11': '9.5.2', '12': 'allow' },
    },
  ]);
});

describe('rule 10.7, 10.8: changed entries of events and notifications', () => {
  for (const field of ['events', 'notifications']) {
    const at = (level: number) => (room: AuthRoom) => room.levels({ [field]: { x: level } });
    const verdict = (rejected: ByVersion): ByVersion =>
      field === 'events'
        ? rejected
        : { ...Object.fromEntries(Object.entries(rejected).filter(([range]) => range !== '1-5')), '1-5': 'allow' };
    checkSituations([
      {
        situation: `${field} within the own power`,
        room: at(40),
        event: change(BOB, { [field]: { x: 50 } }),
        verdict: { '1-12': 'allow' },
      },
      {
        situation: `${field} changed`,
        room: at(60),
        event: change(BOB, { [field]: { x: 1 } }),
        verdict: verdict(rejectedBy(4, '.1')),
      },
      {
        situation: `${field} removed`,
        room: at(60),
        event: change(BOB, { [field]: {} }),
        verdict: verdict(rejectedBy(4, '.1')),
      },
      {
        situation: `${field} changed to above`,
        room: at(40),
        event: change(BOB, { [field]: { x: 60 } }),
        verdict: verdict(rejectedBy(5, '.1')),
      },
      {
        situation: `${field} added above`,
        event: change(BOB, { [field]: { x: 60 } }),
        verdict: verdict(rejectedBy(5, '.1')),
      },
      {
        situation: `${field} above, unchanged`,
        room: at(60),
        event: change(BOB, { [field]: { x: 60, y: 50 } }),
        verdict: { '1-12': 'allow' },
      },
    ]);
  }
});

describe('rule 10.9, 10.10: changed entries of users', () => {
  const equals = (room: AuthRoom) => room.levels({ users: users(room, { [CAROL]: 50 }) });
  checkSituations([
    {
      situation: 'one with less is raised to the own',
      event: changeUsers(BOB, { [DAVE]: 50 }),
      verdict: { '1-12': 'allow' },
    },
    {
      situation: 'one with less is raised above',
      event: changeUsers(BOB, { [DAVE]: 51 }),
      verdict: rejectedBy(7, '.1'),
    },
    {
      situation: 'an equal is demoted',
      room: equals,
      event: changeUsers(BOB, { [CAROL]: 1 }),
      verdict: rejectedBy(6, '.1'),
    },
    { situation: 'an equal is removed', room: equals, event: changeUsers(BOB, {}), verdict: rejectedBy(6, '.1') },
    { situation: 'one with more is demoted', event: changeUsers(BOB, { [HANK]: 1 }), verdict: rejectedBy(6, '.1') },
    { situation: 'the sender gives power up', event: changeUsers(BOB, { [BOB]: 1 }), verdict: { '1-12': 'allow' } },
    {
      situation: 'power levels under another state key change nothing',
      event: (room) => ({ ...changeUsers(BOB, { [BOB]: 51 })(room), state_key: 'x' }),
      verdict: { '1-12': 'allow' },
    },
    { situation: 'the sender takes more power', event: changeUsers(BOB, { [BOB]: 51 }), verdict: rejectedBy(7, '.1') },
    {
      situation: 'the creator demotes one who has 100',
      event: changeUsers(ALICE, { [HANK]: 1 }),
      verdict: { '1-5': '10.6.1', '6-9': '9.6.1', '10-11': '9.8.1', '12': 'allow' },
    },
    {
      situation: 'a creator gives more than 100',
      event: changeUsers(ALICE, { [DAVE]: 200 }),
      verdict: { '1-5': '10.7.1', '6-9': '9.7.1', '10-11': '9.9.1', '12': 'allow' },
    },
    {
      situation: 'an inherited property name is no entry',
      room: (room) => room.levels({ events: { 'm.room.power_levels': 0 }, users_default: 50 }),
      event: change(CAROL, { events: JSON.parse('{"m.room.power_levels":0,"__proto__":50}') as JsonObject }),
      verdict: { '1-12': 'allow' },
    },
  ]);
});

describe('parseLevel', () => {
  const table: [range: string, value: JsonValue, level: number][] = [
    ['1-12', 7, 7],
    ['1-12', -7, -7],
    ['1-12', 0, 0],
    ['1-9', '  +007 ', 7],
    ['1-9', '-12', -12],
    ['1-9', '000100', 100],
    ['10-12', '7', Number.NaN],
    ['1-12', '7.0', Number.NaN],
    ['1-12', '1e2', Number.NaN],
    ['1-12', '0x10', Number.NaN],
    ['1-12', '1_000', Number.NaN],
    ['1-12', '+ 7', Number.NaN],
    ['1-12', '', Number.NaN],
    ['1-12', ' ', Number.NaN],
    ['1-12', '9'.repeat(400), Number.NaN],
    ['1-5', 50.57, 50],
    ['1-5', -50.57, -50],
    ['1-5', 51146.98, 51146],
    ['6-12', 50.57, Number.NaN],
    ['1-12', Number.POSITIVE_INFINITY, Number.NaN],
    ['1-12', null, Number.NaN],
    ['1-12', true, Number.NaN],
    ['1-12', [50], Number.NaN],
    ['1-12', {}, Number.NaN],
  ];
  for (const [range, value, level] of table) {
    it(`versions ${range}: ${JSON.stringify(value).slice(0, 20)} is ${level}`, () => {
      for (const version of versionsIn(range)) assert.equal(parseLevel(new AuthRoom(version).rules, value), level);
    });
  }
});

describe('PowerLevels', () => {
  const levelsOf = (room: AuthRoom) => PowerLevels.of(room.rules, (type, stateKey) => room.state.get(type, stateKey));

  it('has the defaults of the specification with and without an event', () => {
    for (const room of [
      new AuthRoom('11').without('m.room.power_levels'),
      new AuthRoom('11').put('m.room.power_levels', '', ALICE, {}),
    ]) {
      const levels = levelsOf(room);
      const fields = ['ban', 'kick', 'redact', 'invite', 'state_default', 'events_default', 'users_default'] as const;
      assert.deepEqual(
        fields.map((field) => levels.level(field)),
        [50, 50, 50, 0, 50, 0, 0],
      );
      assert.equal(levels.requiredLevel('m.room.topic', true), 50);
      assert.equal(levels.requiredLevel('m.room.message', false), 0);
      assert.equal(levels.notificationLevel('room'), 50);
    }
  });

  it('gives the creator 100 only without an event, and in version 12 all power always', () => {
    for (const [version, without, withEvent] of [
      ['10', 100, 0],
      ['11', 100, 0],
      ['12', Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    ] as const) {
      const room = new AuthRoom(version).put('m.room.power_levels', '', ALICE, {});
      assert.equal(levelsOf(room).userLevel(ALICE), withEvent);
      assert.equal(levelsOf(room.without('m.room.power_levels')).userLevel(ALICE), without);
      assert.equal(levelsOf(room).userLevel(BOB), 0);
    }
  });

  it('reads the level of a notification', () => {
    const room = new AuthRoom('11').levels({ notifications: { room: 20 } });
    assert.equal(levelsOf(room).notificationLevel('room'), 20);
    assert.equal(levelsOf(room).notificationLevel('constructor'), 50);
  });

  it('lets a malformed level pass nothing', () => {
    const room = new AuthRoom('9').put('m.room.power_levels', '', ALICE, { users: { [ALICE]: 100 }, kick: 'x' });
    assert.deepEqual(
      room.check({ type: 'm.room.member', state_key: CAROL, sender: ALICE, content: { membership: 'leave' } }),
      {
        allowed: false,
        rule: '4.5.5',
        reason: 'the sender has too little power to remove the user',
      },
    );
  });
});
