import { describe } from 'node:test';
import type { JsonObject } from '../../../src/util/json.ts';
import { ALICE, type AuthRoom, BOB, checkSituations, type EventDraft } from '../../support/rooms/auth-room.ts';

function create(change: Partial<EventDraft> = {}, content: JsonObject = {}): (room: AuthRoom) => EventDraft {
  return (room) => ({
    type: 'm.room.create',
    state_key: '',
    sender: ALICE,
    prev_events: [],
    content: {
      room_version: room.rules.version,
      ...(room.rules.creatorFromSender ? {} : { creator: ALICE }),
      ...content,
    },
    ...change,
  });
}

describe('rule 1: m.room.create', () => {
  checkSituations([
    { situation: 'is the first event', event: create(), verdict: { '1-12': 'allow' } },
    { situation: 'has prev_events', event: create({ prev_events: ['$x'] }), verdict: { '1-12': '1.1' } },
    {
      situation: 'has a room ID of another domain',
      event: create({ room_id: '!room:two' }),
      verdict: { '1-12': '1.2' },
    },
    {
      situation: 'has a room ID of its own domain',
      event: create({ room_id: '!r:one' }),
      verdict: { '1-11': 'allow', '12': '1.2' },
    },
    { situation: 'has an unknown room version', event: create({}, { room_version: '99' }), verdict: { '1-12': '1.3' } },
    {
      situation: 'has a room version that is no string',
      event: create({}, { room_version: 1 }),
      verdict: { '1-12': '1.3' },
    },
    {
      situation: 'has no room version',
      event: create({ content: { creator: ALICE } }),
      verdict: { '1-12': 'allow' },
    },
    { situation: 'has no creator', event: create({ content: {} }), verdict: { '1-10': '1.4', '11-12': 'allow' } },
    {
      situation: 'names more creators',
      event: create({}, { additional_creators: [BOB, '@x:[::1]:80'] }),
      verdict: { '1-12': 'allow' },
    },
    { situation: 'names no more creators', event: create({}, { additional_creators: [] }), verdict: { '12': 'allow' } },
    {
      situation: 'names a creator that is no user ID',
      event: create({}, { additional_creators: [BOB, 'bob'] }),
      verdict: { '1-11': 'allow', '12': '1.4' },
    },
    {
      situation: 'names a creator that is no string',
      event: create({}, { additional_creators: [{}] }),
      verdict: { '1-11': 'allow', '12': '1.4' },
    },
    {
      situation: 'names a creator without a list',
      event: create({}, { additional_creators: BOB }),
      verdict: { '1-11': 'allow', '12': '1.4' },
    },
  ]);
});
