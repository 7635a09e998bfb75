import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  authTypesFor,
  checkAuthEventsSelection,
  type SelectableEvent,
} from '../../../src/protocol/event-auth/selection.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { ALICE, AuthRoom, BOB, CAROL, DAVE, member, versionsIn } from '../../support/rooms/auth-room.ts';

const CREATE = 'm.room.create';
const LEVELS = 'm.room.power_levels';
const RULES = 'm.room.join_rules';
const of = (user: string) => `member ${user}`;

function memberChange(membership: string, stateKey: string, content: JsonObject = {}): SelectableEvent {
  return { type: 'm.room.member', stateKey, sender: ALICE, content: { membership, ...content } };
}

function selection(version: string, event: SelectableEvent): string[] {
  return authTypesFor(event, new AuthRoom(version).rules).map(([type, stateKey]) => {
    if (type === 'm.room.member') return of(stateKey);
    return stateKey === '' ? type : `${type} ${stateKey}`;
  });
}

describe('selection of auth_events', () => {
  const invitation = { third_party_invite: { signed: { token: 't' } } };
  const authorised = { join_authorised_via_users_server: BOB };
  const table: [range: string, situation: string, event: SelectableEvent, expected: string[]][] = [
    ['1-12', 'create', { type: CREATE, stateKey: '', sender: ALICE, content: {} }, []],
    ['1-12', 'a message', { type: 'm.room.message', sender: ALICE, content: {} }, [LEVELS, of(ALICE)]],
    ['1-12', 'a leave', memberChange('leave', ALICE), [LEVELS, of(ALICE)]],
    ['1-12', 'a kick', memberChange('leave', BOB), [LEVELS, of(ALICE), of(BOB)]],
    ['1-12', 'a ban', memberChange('ban', BOB), [LEVELS, of(ALICE), of(BOB)]],
    ['1-12', 'a join', memberChange('join', ALICE), [LEVELS, of(ALICE), RULES]],
    ['1-12', 'a knock', memberChange('knock', ALICE), [LEVELS, of(ALICE), RULES]],
    ['1-12', 'an invite', memberChange('invite', BOB), [LEVELS, of(ALICE), RULES, of(BOB)]],
    [
      '1-12',
      'an answer to a third-party invite',
      memberChange('invite', BOB, invitation),
      [LEVELS, of(ALICE), RULES, 'm.room.third_party_invite t', of(BOB)],
    ],
    ['1-12', 'a join with a token', memberChange('join', ALICE, invitation), [LEVELS, of(ALICE), RULES]],
    ['1-7', 'an authorised join', memberChange('join', ALICE, authorised), [LEVELS, of(ALICE), RULES]],
    ['8-12', 'an authorised join', memberChange('join', ALICE, authorised), [LEVELS, of(ALICE), RULES, of(BOB)]],
    ['8-12', 'an authorised leave', memberChange('leave', ALICE, authorised), [LEVELS, of(ALICE)]],
    ['1-12', 'a member event in disorder', { type: 'm.room.member', sender: ALICE, content: {} }, [LEVELS, of(ALICE)]],
  ];
  for (const [range, situation, event, expected] of table) {
    for (const version of versionsIn(range)) {
      it(`version ${version}: ${situation}`, () => {
        const create = event.type !== CREATE && version !== '12' ? [CREATE] : [];
        assert.deepEqual(selection(version, event), [...create, ...expected]);
      });
    }
  }
});

describe('rule 3: auth_events', () => {
  function verdict(version: string, cited: (room: AuthRoom) => ReturnType<AuthRoom['event']>[]): string {
    const room = new AuthRoom(version);
    const result = checkAuthEventsSelection(room.rules, room.event(member(CAROL, 'leave')), cited(room));
    return result.allowed ? 'allow' : result.rule;
  }
  const inState = (room: AuthRoom, ...keys: [string, string][]) =>
    keys.map(([type, stateKey]) => room.state.get(type, stateKey)).filter((event) => event !== undefined);
  const first = (version: string) => (version === '12' ? '3' : '2');
  const base = (room: AuthRoom) =>
    inState(
      room,
      ...(room.rules.createInAuthEvents ? [[CREATE, ''] as [string, string]] : []),
      [LEVELS, ''],
      ['m.room.member', CAROL],
    );

  for (const version of versionsIn('1-12')) {
    it(`version ${version}: those of the selection are allowed, and fewer`, () => {
      assert.equal(verdict(version, base), 'allow');
      assert.equal(
        verdict(version, (room) => base(room).slice(0, 1)),
        'allow',
      );
    });
    it(`version ${version}: .1 two for one key are not`, () => {
      assert.equal(
        verdict(version, (room) => [...base(room), ...inState(room, [LEVELS, ''])]),
        `${first(version)}.1`,
      );
    });
    it(`version ${version}: .2 others are not`, () => {
      const others: [string, string][] = [
        [RULES, ''],
        ['m.room.member', BOB],
      ];
      for (const other of others) {
        assert.equal(
          verdict(version, (room) => [...base(room), ...inState(room, other)]),
          `${first(version)}.2`,
        );
      }
      const message = { type: LEVELS, sender: ALICE, content: {} };
      assert.equal(
        verdict(version, (room) => [room.event(message), ...base(room)]),
        `${first(version)}.2`,
      );
    });
    it(`version ${version}: .3 a rejected one is not`, () => {
      assert.equal(
        verdict(version, (room) => base(room).map((event) => ({ ...event, rejected: event.type === LEVELS }))),
        `${first(version)}.3`,
      );
    });
    it(`version ${version}: .4 the create event is cited up to version 11 and not from 12 on`, () => {
      assert.equal(
        verdict(version, (room) => inState(room, [LEVELS, ''])),
        version === '12' ? 'allow' : '2.4',
      );
      assert.equal(
        verdict(version, (room) => inState(room, [CREATE, ''])),
        version === '12' ? '3.2' : 'allow',
      );
    });
    it(`version ${version}: .5 one of another room is not`, () => {
      const foreign = { type: LEVELS, state_key: '', sender: ALICE, content: {}, room_id: '!other:one' };
      assert.equal(
        verdict(version, (room) => [...base(room).filter((event) => event.type !== LEVELS), room.event(foreign)]),
        `${first(version)}.5`,
      );
    });
  }

  it('does not concern the create event', () => {
    const room = new AuthRoom('11');
    const create = room.event({ type: CREATE, state_key: '', sender: DAVE, content: {} });
    assert.deepEqual(checkAuthEventsSelection(room.rules, create, []), { allowed: true });
  });
});
