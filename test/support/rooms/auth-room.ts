import assert from 'node:assert/strict';
import { it } from 'node:test';
import { checkAuth } from '../../../src/protocol/event-auth/check.ts';
import type { AuthEvent, SignatureChecks, Verdict } from '../../../src/protocol/event-auth/types.ts';
import { type RoomVersionRules, roomVersionRules, supportedRoomVersions } from '../../../src/protocol/room-versions.ts';
import { StateMap } from '../../../src/protocol/state-resolution/state-map.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { authEventOf, goodSignatures, type Pdu } from './auth-event.ts';

export const ALICE = '@alice:one';
export const BOB = '@bob:one';
export const CAROL = '@carol:two';
export const DAVE = '@dave:two';
export const EVE = '@eve:one';
export const FAY = '@fay:two';
export const GIL = '@gil:two';
/** Joined, with a level of 100 as the creator has up to room version 11. */
export const HANK = '@hank:one';

export type EventDraft = Pick<Pdu, 'type' | 'sender' | 'content'> & Partial<Pdu>;

/**
 * A room in which alice created, bob has 50, hank 100 and carol 0, all joined; dave is a stranger, eve banned, fay
 * invited; gil has knocked, where that exists. The join rule is `invite`, a level of 20 is needed to invite.
 */
export class AuthRoom {
  readonly rules: RoomVersionRules;
  readonly state = new StateMap<AuthEvent<string>>();
  signatures: SignatureChecks<string> = goodSignatures;

  constructor(version: string) {
    const rules = roomVersionRules(version);
    assert.ok(rules);
    this.rules = rules;
    const creator: JsonObject = rules.creatorFromSender ? {} : { creator: ALICE };
    this.put('m.room.create', '', ALICE, { room_version: version, ...creator }, { prev_events: [] });
    for (const user of [ALICE, BOB, CAROL, HANK]) this.put('m.room.member', user, user, { membership: 'join' });
    this.put('m.room.member', EVE, BOB, { membership: 'ban' });
    this.put('m.room.member', FAY, BOB, { membership: 'invite' });
    if (rules.knock) this.put('m.room.member', GIL, GIL, { membership: 'knock' });
    this.put('m.room.join_rules', '', ALICE, { join_rule: 'invite' });
    this.levels({});
  }

  /** Power levels as described, with `changes` over them. */
  levels(changes: JsonObject): this {
    return this.put('m.room.power_levels', '', ALICE, { ...this.baseLevels(), ...changes });
  }

  baseLevels(): JsonObject {
    const users: JsonObject = { [BOB]: 50, [HANK]: 100 };
    if (!this.rules.privilegedCreators) users[ALICE] = 100;
    return { users, invite: 20 };
  }

  joinRule(join_rule: string): this {
    return this.put('m.room.join_rules', '', ALICE, { join_rule });
  }

  put(type: string, stateKey: string, sender: string, content: JsonObject, more: Partial<Pdu> = {}): this {
    this.state.set(type, stateKey, this.event({ type, state_key: stateKey, sender, content, ...more }));
    return this;
  }

  without(type: string, stateKey = ''): this {
    this.state.delete(type, stateKey);
    return this;
  }

  event(draft: EventDraft): AuthEvent<string> {
    const isFirst = draft.type === 'm.room.create' && this.rules.roomIdIsCreateHash;
    const domain = this.rules.eventIdFormat === 'v1' ? ':one' : '';
    return authEventOf({
      event_id: `$${draft.type}|${draft.state_key ?? ''}${domain}`,
      ...(!isFirst && { room_id: this.roomId() }),
      auth_events: [],
      prev_events: ['$some', '$other'],
      origin_server_ts: 1,
      ...draft,
    });
  }

  roomId(): string {
    return this.rules.roomIdIsCreateHash ? '!m.room.create|' : '!room:one';
  }

  check(draft: EventDraft): Verdict {
    const state = (type: string, stateKey: string) => this.state.get(type, stateKey);
    return checkAuth(this.rules, this.event(draft), state, this.signatures);
  }
}

export function member(sender: string, membership: string, target = sender, content: JsonObject = {}): EventDraft {
  return { type: 'm.room.member', state_key: target, sender, content: { membership, ...content } };
}

/** `allow`, or the number of the rule that rejects, by a range of room versions such as `6-11`. */
export type ByVersion = Readonly<Record<string, string>>;

export interface Situation {
  readonly situation: string;
  readonly room?: (room: AuthRoom) => unknown;
  readonly event: EventDraft | ((room: AuthRoom) => EventDraft);
  readonly verdict: ByVersion;
}

/** One test for each situation and each room version that its verdicts name. */
export function checkSituations(situations: readonly Situation[]): void {
  for (const { situation, room: prepare, event, verdict } of situations) {
    for (const [range, expected] of Object.entries(verdict)) {
      for (const version of versionsIn(range)) {
        it(`version ${version}: ${situation}: ${expected}`, () => {
          const room = new AuthRoom(version);
          prepare?.(room);
          const actual = room.check(typeof event === 'function' ? event(room) : event);
          assert.equal(actual.allowed ? 'allow' : actual.rule, expected, JSON.stringify(actual));
        });
      }
    }
  }
}

export function versionsIn(range: string): string[] {
  const [from = '', to = from] = range.split('-');
  const versions = supportedRoomVersions.filter((version) => +from <= +version && +version <= +to);
  assert.ok(versions.length > 0, range);
  return versions;
}
