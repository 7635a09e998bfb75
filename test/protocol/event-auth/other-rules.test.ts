import { describe } from 'node:test';
import {
  ALICE,
  type AuthRoom,
  BOB,
  CAROL,
  checkSituations,
  DAVE,
  type EventDraft,
  FAY,
  HANK,
  member,
} from '../../support/rooms/auth-room.ts';

const message = (sender: string): EventDraft => ({ type: 'm.room.message', sender, content: {} });
const state = (sender: string, type: string, stateKey = ''): EventDraft => ({
  type,
  state_key: stateKey,
  sender,
  content: {},
});

const closed = (room: AuthRoom) =>
  room.put('m.room.create', '', ALICE, { creator: ALICE, 'm.federate': false }, { prev_events: [] });

describe('rules 2 and 4: the room', () => {
  checkSituations([
    {
      situation: 'there is no create event',
      room: (room) => room.without('m.room.create'),
      event: message(ALICE),
      verdict: { '1-11': '2.4', '12': '2' },
    },
    {
      situation: 'the room ID is not that of the create event',
      event: { ...message(ALICE), room_id: '!other' },
      verdict: { '1-11': 'allow', '12': '2' },
    },
    {
      situation: 'the create event was rejected',
      room: (room) => {
        const create = room.state.get('m.room.create', '');
        if (create) room.state.set('m.room.create', '', { ...create, rejected: true });
      },
      event: message(ALICE),
      verdict: { '12': '2' },
    },
    { situation: 'closed to others, own server', room: closed, event: message(BOB), verdict: { '1-12': 'allow' } },
    {
      situation: 'closed to others, other server',
      room: closed,
      event: message(CAROL),
      verdict: { '1-11': '3', '12': '4' },
    },
    {
      situation: 'closed to others, join',
      room: closed,
      event: member(FAY, 'join'),
      verdict: { '1-11': '3', '12': '4' },
    },
    {
      situation: 'm.federate is not the boolean false',
      room: (room) =>
        room.put('m.room.create', '', ALICE, { creator: ALICE, 'm.federate': 'false' }, { prev_events: [] }),
      event: message(CAROL),
      verdict: { '1-12': 'allow' },
    },
  ]);
});

describe('rule 4 of versions 1 to 5: m.room.aliases', () => {
  checkSituations([
    {
      situation: 'without a state key',
      event: { ...message(CAROL), type: 'm.room.aliases' },
      verdict: { '1-5': '4.1', '6-12': 'allow' },
    },
    {
      situation: "another server's",
      event: state(CAROL, 'm.room.aliases', 'one'),
      verdict: { '1-5': '4.2', '6-11': '7', '12': '8' },
    },
    {
      situation: 'by somebody with no power, who is not in the room',
      event: state(DAVE, 'm.room.aliases', 'two'),
      verdict: { '1-5': 'allow', '6-11': '5', '12': '6' },
    },
  ]);
});

describe('rules 6 to 9: sending', () => {
  const notIn = { '1-5': '6', '6-11': '5', '12': '6' };
  const tooWeak = { '1-5': '8', '6-11': '7', '12': '8' };
  checkSituations([
    { situation: 'a member sends', event: message(CAROL), verdict: { '1-12': 'allow' } },
    { situation: 'a stranger sends', event: message(DAVE), verdict: notIn },
    { situation: 'an invited user sends', event: message(FAY), verdict: notIn },
    {
      situation: 'a third-party invite by one who may invite',
      event: state(BOB, 'm.room.third_party_invite', 't'),
      verdict: { '1-12': 'allow' },
    },
    {
      situation: 'a third-party invite by one who may invite but not send state',
      room: (room) => room.levels({ state_default: 90 }),
      event: state(BOB, 'm.room.third_party_invite', 't'),
      verdict: { '1-12': 'allow' },
    },
    {
      situation: 'a third-party invite by one who may just invite',
      room: (room) => room.levels({ invite: 50 }),
      event: state(BOB, 'm.room.third_party_invite', 't'),
      verdict: { '1-12': 'allow' },
    },
    {
      situation: 'a third-party invite by one who may not invite',
      event: state(CAROL, 'm.room.third_party_invite', 't'),
      verdict: { '1-5': '7.1', '6-11': '6.1', '12': '7.1' },
    },
    { situation: 'state by one with 50', event: state(BOB, 'm.room.topic'), verdict: { '1-12': 'allow' } },
    { situation: 'state by one with 0', event: state(CAROL, 'm.room.topic'), verdict: tooWeak },
    {
      situation: 'state without power levels, by one who is not the creator',
      room: (room) => room.without('m.room.power_levels'),
      event: state(BOB, 'm.room.topic'),
      verdict: tooWeak,
    },
    {
      situation: 'state without power levels, by the creator',
      room: (room) => room.without('m.room.power_levels'),
      event: state(ALICE, 'm.room.topic'),
      verdict: { '1-12': 'allow' },
    },
    {
      situation: 'a type with a level of its own',
      room: (room) => room.levels({ events: { 'm.room.message': 60 } }),
      event: message(BOB),
      verdict: tooWeak,
    },
    {
      situation: 'a type with a level of its own, enough power',
      room: (room) => room.levels({ events: { 'm.room.message': 60 }, events_default: 1000 }),
      event: message(HANK),
      verdict: { '1-12': 'allow' },
    },
    {
      situation: 'a level above every number of others, by a creator',
      room: (room) => room.levels({ events_default: 2 ** 53 - 1 }),
      event: message(ALICE),
      verdict: { '1-5': '8', '6-11': '7', '12': 'allow' },
    },
    {
      situation: "another user's ID as state key",
      event: state(BOB, 'org.example.note', ALICE),
      verdict: { '1-5': '9', '6-11': '8', '12': '9' },
    },
    { situation: 'the own ID as state key', event: state(BOB, 'org.example.note', BOB), verdict: { '1-12': 'allow' } },
    {
      situation: 'a type called like an inherited property',
      event: { type: 'constructor', sender: CAROL, content: {} },
      verdict: { '1-12': 'allow' },
    },
  ]);
});

describe('rule 11 of versions 1 and 2: m.room.redaction', () => {
  const redaction = (sender: string, redacts: string): EventDraft => ({
    type: 'm.room.redaction',
    sender,
    content: {},
    redacts,
  });
  checkSituations([
    { situation: 'with the power', event: redaction(BOB, '$x:two'), verdict: { '1-12': 'allow' } },
    { situation: 'an event of the same server', event: redaction(CAROL, '$x:one'), verdict: { '1-12': 'allow' } },
    {
      situation: 'an event of another server',
      event: redaction(CAROL, '$x:two'),
      verdict: { '1-2': '11.3', '3-12': 'allow' },
    },
    {
      situation: 'a level for the type itself',
      room: (room) => room.levels({ events: { 'm.room.redaction': 10 } }),
      event: redaction(CAROL, '$x:one'),
      verdict: { '1-5': '8', '6-11': '7', '12': '8' },
    },
  ]);
});
