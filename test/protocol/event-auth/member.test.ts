import { describe } from 'node:test';
import { badSignatures, goodSignatures } from '../../support/rooms/auth-event.ts';
import {
  ALICE,
  type AuthRoom,
  BOB,
  CAROL,
  checkSituations,
  DAVE,
  EVE,
  FAY,
  GIL,
  HANK,
  member,
} from '../../support/rooms/auth-room.ts';

const CREATE = '$m.room.create|';

/** The first join follows the create event, whose ID has a domain in room versions 1 and 2. */
function firstJoin(sender: string, target = sender) {
  return (room: AuthRoom) => ({
    ...member(sender, 'join', target),
    prev_events: [room.rules.eventIdFormat === 'v1' ? `${CREATE}:one` : CREATE],
  });
}

function emptyRoom(room: AuthRoom): void {
  for (const user of [ALICE, BOB, CAROL, HANK, EVE, FAY, GIL]) room.without('m.room.member', user);
  room.without('m.room.power_levels').without('m.room.join_rules');
}

const authorisedBy = (user: string) => ({ join_authorised_via_users_server: user });

describe('rule 5.1, 5.2: every member event', () => {
  checkSituations([
    {
      situation: 'lacks a state key',
      event: { type: 'm.room.member', sender: ALICE, content: { membership: 'join' } },
      verdict: { '1-5': '5.1', '6-11': '4.1', '12': '5.1' },
    },
    {
      situation: 'lacks a membership',
      event: { type: 'm.room.member', state_key: ALICE, sender: ALICE, content: {} },
      verdict: { '1-5': '5.1', '6-11': '4.1', '12': '5.1' },
    },
    {
      situation: 'names an authoriser whose server has not signed',
      room: (room) => {
        room.signatures = badSignatures;
      },
      event: member(ALICE, 'join', ALICE, authorisedBy(CAROL)),
      verdict: { '1-7': 'allow', '8-11': '4.2.1', '12': '5.2.1' },
    },
    {
      situation: 'names an authoriser whose server has signed',
      room: (room) => {
        room.signatures = { ...goodSignatures, isSignedBy: (_, server) => server === 'two' };
      },
      event: member(ALICE, 'join', ALICE, authorisedBy(CAROL)),
      verdict: { '1-12': 'allow' },
    },
    {
      situation: 'names an authoriser that is no user ID',
      event: member(ALICE, 'join', ALICE, { join_authorised_via_users_server: 5 }),
      verdict: { '1-7': 'allow', '8-11': '4.2.1', '12': '5.2.1' },
    },
    {
      situation: 'has an unknown membership',
      event: member(ALICE, 'dance'),
      verdict: { '1-5': '5.6', '6': '4.6', '7': '4.7', '8-11': '4.8', '12': '5.8' },
    },
    {
      situation: 'has a membership that is no string',
      event: { type: 'm.room.member', state_key: ALICE, sender: ALICE, content: { membership: null } },
      verdict: { '1-5': '5.6', '6': '4.6', '7': '4.7', '8-11': '4.8', '12': '5.8' },
    },
  ]);
});

describe('rule 5.3: join', () => {
  const closed = { '1-5': '5.2.6', '6-7': '4.2.6', '8-11': '4.3.7', '12': '5.3.7' };
  checkSituations([
    { situation: 'the creator joins first', room: emptyRoom, event: firstJoin(ALICE), verdict: { '1-12': 'allow' } },
    { situation: 'another joins first', room: emptyRoom, event: firstJoin(BOB), verdict: closed },
    {
      situation: 'the creator joins first, but after more than the create event',
      room: emptyRoom,
      event: (room) => ({ ...firstJoin(ALICE)(room), prev_events: [CREATE, '$x'] }),
      verdict: closed,
    },
    {
      situation: 'content.creator is somebody else than the sender',
      room: (room) => {
        emptyRoom(room);
        room.put('m.room.create', '', ALICE, { room_version: room.rules.version, creator: BOB }, { prev_events: [] });
      },
      event: firstJoin(BOB),
      verdict: { '1-10': 'allow', '11': '4.3.7', '12': '5.3.7' },
    },
    {
      situation: 'one user makes another join',
      event: member(ALICE, 'join', FAY),
      verdict: { '1-5': '5.2.2', '6-7': '4.2.2', '8-11': '4.3.2', '12': '5.3.2' },
    },
    {
      situation: 'a banned user joins a public room',
      room: (room) => room.joinRule('public'),
      event: member(EVE, 'join'),
      verdict: { '1-5': '5.2.3', '6-7': '4.2.3', '8-11': '4.3.3', '12': '5.3.3' },
    },
    { situation: 'rule invite, invited', event: member(FAY, 'join'), verdict: { '1-12': 'allow' } },
    { situation: 'rule invite, joined', event: member(CAROL, 'join'), verdict: { '1-12': 'allow' } },
    { situation: 'rule invite, stranger', event: member(DAVE, 'join'), verdict: closed },
    { situation: 'rule invite, has knocked', event: member(GIL, 'join'), verdict: closed },
    {
      situation: 'no join rules event, invited',
      room: (room) => room.without('m.room.join_rules'),
      event: member(FAY, 'join'),
      verdict: { '1-12': 'allow' },
    },
    {
      situation: 'no join rules event, stranger',
      room: (room) => room.without('m.room.join_rules'),
      event: member(DAVE, 'join'),
      verdict: closed,
    },
    {
      situation: 'rule public, stranger',
      room: (room) => room.joinRule('public'),
      event: member(DAVE, 'join'),
      verdict: { '1-12': 'allow' },
    },
    {
      situation: 'rule private, invited',
      room: (room) => room.joinRule('private'),
      event: member(FAY, 'join'),
      verdict: closed,
    },
    {
      situation: 'rule knock, invited',
      room: (room) => room.joinRule('knock'),
      event: member(FAY, 'join'),
      verdict: { '1-5': '5.2.6', '6': '4.2.6', '7-12': 'allow' },
    },
    {
      situation: 'rule knock, stranger',
      room: (room) => room.joinRule('knock'),
      event: member(DAVE, 'join'),
      verdict: closed,
    },
  ]);
});

describe('rule 5.3.5: join under restricted and knock_restricted', () => {
  for (const [rule, first] of [
    ['restricted', 8],
    ['knock_restricted', 10],
  ] as const) {
    const closed: Record<string, string> = {
      '1-5': '5.2.6',
      '6-7': '4.2.6',
      ...(first === 10 && { '8-9': '4.3.7' }),
    };
    const refused = { ...closed, [`${first}-11`]: '4.3.5.2', '12': '5.3.5.2' };
    const allowed = { ...closed, [`${first}-12`]: 'allow' };
    const room = (each: AuthRoom) => each.joinRule(rule);
    checkSituations([
      { situation: `${rule}, invited`, room, event: member(FAY, 'join'), verdict: allowed },
      { situation: `${rule}, joined`, room, event: member(CAROL, 'join'), verdict: allowed },
      { situation: `${rule}, stranger`, room, event: member(DAVE, 'join'), verdict: refused },
      {
        situation: `${rule}, authorised by one who may invite`,
        room,
        event: member(DAVE, 'join', DAVE, authorisedBy(BOB)),
        verdict: allowed,
      },
      {
        situation: `${rule}, authorised by one who may just invite`,
        room: (each: AuthRoom) => room(each).levels({ invite: 50 }),
        event: member(DAVE, 'join', DAVE, authorisedBy(BOB)),
        verdict: allowed,
      },
      {
        situation: `${rule}, authorised by a creator`,
        room,
        event: member(DAVE, 'join', DAVE, authorisedBy(ALICE)),
        verdict: allowed,
      },
      {
        situation: `${rule}, authorised by one with too little power`,
        room,
        event: member(DAVE, 'join', DAVE, authorisedBy(CAROL)),
        verdict: refused,
      },
      {
        situation: `${rule}, authorised by one who has left`,
        room: (each) => room(each).put('m.room.member', BOB, BOB, { membership: 'leave' }),
        event: member(DAVE, 'join', DAVE, authorisedBy(BOB)),
        verdict: refused,
      },
    ]);
  }
});

describe('rule 5.4: invite', () => {
  checkSituations([
    {
      situation: 'the sender is not in the room',
      event: member(DAVE, 'invite', GIL),
      verdict: { '1-5': '5.3.2', '6-7': '4.3.2', '8-11': '4.4.2', '12': '5.4.2' },
    },
    {
      situation: 'the target is in the room',
      event: member(BOB, 'invite', CAROL),
      verdict: { '1-5': '5.3.3', '6-7': '4.3.3', '8-11': '4.4.3', '12': '5.4.3' },
    },
    {
      situation: 'the target is banned',
      event: member(BOB, 'invite', EVE),
      verdict: { '1-5': '5.3.3', '6-7': '4.3.3', '8-11': '4.4.3', '12': '5.4.3' },
    },
    { situation: 'the sender has the power', event: member(BOB, 'invite', DAVE), verdict: { '1-12': 'allow' } },
    { situation: 'the target is invited already', event: member(BOB, 'invite', FAY), verdict: { '1-12': 'allow' } },
    {
      situation: 'the sender has too little power',
      event: member(CAROL, 'invite', DAVE),
      verdict: { '1-5': '5.3.5', '6-7': '4.3.5', '8-11': '4.4.5', '12': '5.4.5' },
    },
    {
      situation: 'there are no power levels, so anybody may',
      room: (room) => room.without('m.room.power_levels'),
      event: member(CAROL, 'invite', DAVE),
      verdict: { '1-12': 'allow' },
    },
  ]);
});

describe('rule 5.5: leave', () => {
  checkSituations([
    { situation: 'a joined user leaves', event: member(CAROL, 'leave'), verdict: { '1-12': 'allow' } },
    { situation: 'an invited user refuses', event: member(FAY, 'leave'), verdict: { '1-12': 'allow' } },
    {
      situation: 'a user takes a knock back',
      room: (room) => room.put('m.room.member', GIL, GIL, { membership: 'knock' }),
      event: member(GIL, 'leave'),
      verdict: { '1-5': '5.4.1', '6': '4.4.1', '7-12': 'allow' },
    },
    {
      situation: 'a stranger leaves',
      event: member(DAVE, 'leave'),
      verdict: { '1-5': '5.4.1', '6-7': '4.4.1', '8-11': '4.5.1', '12': '5.5.1' },
    },
    {
      situation: 'a banned user leaves',
      event: member(EVE, 'leave'),
      verdict: { '1-5': '5.4.1', '6-7': '4.4.1', '8-11': '4.5.1', '12': '5.5.1' },
    },
    {
      situation: 'a kick by one who is not in the room',
      event: member(DAVE, 'leave', CAROL),
      verdict: { '1-5': '5.4.2', '6-7': '4.4.2', '8-11': '4.5.2', '12': '5.5.2' },
    },
    {
      situation: 'a ban is lifted with too little power to ban',
      room: (room) => room.levels({ ban: 60 }),
      event: member(BOB, 'leave', EVE),
      verdict: { '1-5': '5.4.3', '6-7': '4.4.3', '8-11': '4.5.3', '12': '5.5.3' },
    },
    { situation: 'a ban is lifted', event: member(BOB, 'leave', EVE), verdict: { '1-12': 'allow' } },
    { situation: 'a kick with power', event: member(BOB, 'leave', CAROL), verdict: { '1-12': 'allow' } },
    { situation: 'an invite is taken back', event: member(BOB, 'leave', FAY), verdict: { '1-12': 'allow' } },
    {
      situation: 'a kick with too little power',
      room: (room) => room.levels({ kick: 60 }),
      event: member(BOB, 'leave', CAROL),
      verdict: { '1-5': '5.4.5', '6-7': '4.4.5', '8-11': '4.5.5', '12': '5.5.5' },
    },
    {
      situation: 'a kick of an equal',
      room: (room) =>
        room.put('m.room.member', FAY, FAY, { membership: 'join' }).levels({ users: { [BOB]: 50, [FAY]: 50 } }),
      event: member(BOB, 'leave', FAY),
      verdict: { '1-5': '5.4.5', '6-7': '4.4.5', '8-11': '4.5.5', '12': '5.5.5' },
    },
    {
      situation: 'the creator kicks one who has 100',
      event: member(ALICE, 'leave', HANK),
      verdict: { '1-5': '5.4.5', '6-7': '4.4.5', '8-11': '4.5.5', '12': 'allow' },
    },
  ]);
});

describe('rule 5.6: ban', () => {
  const tooWeak = { '1-5': '5.5.3', '6-7': '4.5.3', '8-11': '4.6.3', '12': '5.6.3' };
  checkSituations([
    {
      situation: 'the sender is not in the room',
      event: member(DAVE, 'ban', CAROL),
      verdict: { '1-5': '5.5.1', '6-7': '4.5.1', '8-11': '4.6.1', '12': '5.6.1' },
    },
    { situation: 'the sender has the power', event: member(BOB, 'ban', CAROL), verdict: { '1-12': 'allow' } },
    { situation: 'the target is a stranger', event: member(BOB, 'ban', DAVE), verdict: { '1-12': 'allow' } },
    { situation: 'the sender has too little power', event: member(CAROL, 'ban', DAVE), verdict: tooWeak },
    { situation: 'the target has more power', event: member(BOB, 'ban', HANK), verdict: tooWeak },
    { situation: 'users ban themselves', event: member(BOB, 'ban', BOB), verdict: tooWeak },
    { situation: 'one who has 100 bans the creator', event: member(HANK, 'ban', ALICE), verdict: tooWeak },
    {
      situation: 'one who has 200 bans the creator',
      room: (room) =>
        room.levels({ users: { [HANK]: 200, ...(room.rules.privilegedCreators ? {} : { [ALICE]: 100 }) } }),
      event: member(HANK, 'ban', ALICE),
      verdict: { '1-11': 'allow', '12': '5.6.3' },
    },
    {
      situation: 'a creator bans another creator',
      room: (room) =>
        room.put('m.room.create', '', ALICE, { creator: ALICE, additional_creators: [HANK] }, { prev_events: [] }),
      event: member(ALICE, 'ban', HANK),
      verdict: { '12': '5.6.3' },
    },
  ]);
});

describe('rule 5.7: knock', () => {
  const unknown = { '1-5': '5.6', '6': '4.6' };
  const wrongRule = { ...unknown, '7': '4.6.1', '8-11': '4.7.1', '12': '5.7.1' };
  const room = (each: AuthRoom) => each.joinRule('knock');
  checkSituations([
    { situation: 'the rule is invite', event: member(DAVE, 'knock'), verdict: wrongRule },
    {
      situation: 'the rule is public',
      room: (each) => each.joinRule('public'),
      event: member(DAVE, 'knock'),
      verdict: wrongRule,
    },
    { situation: 'the rule is knock', room, event: member(DAVE, 'knock'), verdict: { ...unknown, '7-12': 'allow' } },
    {
      situation: 'the rule is knock_restricted',
      room: (each) => each.joinRule('knock_restricted'),
      event: member(DAVE, 'knock'),
      verdict: { ...unknown, '7': '4.6.1', '8-9': '4.7.1', '10-12': 'allow' },
    },
    {
      situation: 'for another user',
      room,
      event: member(ALICE, 'knock', DAVE),
      verdict: { '7': '4.6.2', '8-11': '4.7.2', '12': '5.7.2' },
    },
    ...[EVE, FAY, CAROL].map((user) => ({
      situation: `by ${user}, who is banned, invited or in`,
      room,
      event: member(user, 'knock'),
      verdict: { '7': '4.6.4', '8-11': '4.7.4', '12': '5.7.4' },
    })),
    { situation: 'again', room, event: member(GIL, 'knock'), verdict: { '7-12': 'allow' } },
  ]);
});
