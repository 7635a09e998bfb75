import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileRuleset, evaluatePushRules } from '../../../src/protocol/push-rules/compiled.ts';
import { compileCondition } from '../../../src/protocol/push-rules/conditions.ts';
import { splitPath } from '../../../src/protocol/push-rules/property-path.ts';
import { enableRule, putRule, readRuleset } from '../../../src/protocol/push-rules/ruleset.ts';
import type { PushContext, PushEvent, PushRuleset, RuleKind } from '../../../src/protocol/push-rules/types.ts';
import type { JsonObject, JsonValue } from '../../../src/util/json.ts';

const alice = '@alice:example.org';
const owner = { userId: alice, displayName: () => 'Alice A' };

function event(type: string, content: JsonObject, more: JsonObject = {}): PushEvent {
  return { type, content, sender: '@bob:example.org', room_id: '!r:example.org', ...more };
}

const message = (body: string, more: JsonObject = {}) => event('m.room.message', { msgtype: 'm.text', body, ...more });

function context(of: PushEvent, memberCount = 5, powerful = false): PushContext {
  return { event: of, memberCount, senderMayNotify: () => powerful };
}

function evaluate(ruleset: PushRuleset, of: PushContext): string {
  const outcome = evaluatePushRules(compileRuleset(ruleset), of, owner);
  if (outcome === undefined || !outcome.notify) return 'silent';
  return outcome.highlight ? 'highlight' : 'notify';
}

describe('predefined push rules', () => {
  const rules = readRuleset(undefined, alice);
  const table: readonly [string, PushContext, string][] = [
    ['a message notifies', context(message('hi')), 'notify'],
    ['a notice does not', context(event('m.room.message', { msgtype: 'm.notice', body: 'x' })), 'silent'],
    ['an encrypted event notifies', context(event('m.room.encrypted', {})), 'notify'],
    [
      'an invite of the user notifies',
      context(event('m.room.member', { membership: 'invite' }, { state_key: alice })),
      'notify',
    ],
    [
      'an invite of another does not',
      context(event('m.room.member', { membership: 'invite' }, { state_key: '@c:d' })),
      'silent',
    ],
    ['a mention highlights', context(message('hi', { 'm.mentions': { user_ids: [alice] } })), 'highlight'],
    ['a mention of another only notifies', context(message('hi', { 'm.mentions': { user_ids: ['@c:d'] } })), 'notify'],
    ['a room mention without power', context(message('hi', { 'm.mentions': { room: true } })), 'notify'],
    ['a room mention with power', context(message('hi', { 'm.mentions': { room: true } }), 5, true), 'highlight'],
    ['a tombstone highlights', context(event('m.room.tombstone', {}, { state_key: '' })), 'highlight'],
    ['a tombstone that is no state does not', context(event('m.room.tombstone', {})), 'silent'],
    ['a reaction does not', context(event('m.reaction', {})), 'silent'],
    ['an edit does not', context(message('x', { 'm.relates_to': { rel_type: 'm.replace' } })), 'silent'],
    ['a server ACL does not', context(event('m.room.server_acl', {}, { state_key: '' })), 'silent'],
    ['a call notifies', context(event('m.call.invite', {})), 'notify'],
    ['a topic does not', context(event('m.room.topic', { topic: 'x' }, { state_key: '' })), 'silent'],
    ['a body that names the user only notifies', context(message('hi alice')), 'notify'],
  ];
  for (const [name, of, expected] of table) it(name, () => assert.equal(evaluate(rules, of), expected));

  it('.m.rule.master silences everything once enabled', () => {
    const off = enableRule(rules, 'override', '.m.rule.master', true) as PushRuleset;
    assert.equal(evaluate(off, context(message('hi', { 'm.mentions': { user_ids: [alice] } }))), 'silent');
  });

  it('a one-to-one room has a sound', () => {
    const outcome = evaluatePushRules(compileRuleset(rules), context(message('hi'), 2), owner);
    assert.deepEqual(outcome?.actions, ['notify', { set_tweak: 'sound', value: 'default' }]);
  });
});

describe('the order of push rules', () => {
  const add = (ruleset: PushRuleset, kind: RuleKind, id: string, actions: string[], more: object = {}) =>
    putRule(ruleset, kind, { rule_id: id, default: false, enabled: true, actions, ...more }, {}) as PushRuleset;
  const rules = readRuleset(undefined, alice);

  it('override, content, room, sender, underride', () => {
    let set = add(rules, 'sender', '@bob:example.org', []);
    assert.equal(evaluate(set, context(message('tea'))), 'silent');
    set = add(set, 'room', '!r:example.org', ['notify']);
    assert.equal(evaluate(set, context(message('tea'))), 'notify');
    set = add(set, 'content', 'tea', [], { pattern: 'tea' });
    assert.equal(evaluate(set, context(message('tea'))), 'silent');
    set = add(set, 'override', 'all', ['notify']);
    assert.equal(evaluate(set, context(message('tea'))), 'notify');
  });

  it('disabled rules never match, and dont_notify means no actions', () => {
    let set = add(rules, 'override', 'off', ['dont_notify']);
    assert.equal(evaluate(set, context(message('x'))), 'silent');
    set = enableRule(set, 'override', 'off', false) as PushRuleset;
    assert.equal(evaluate(set, context(message('x'))), 'notify');
  });
});

describe('push conditions', () => {
  const body = message('An Alice A event', { n: 1, f: true, z: null, list: ['a', 2, null, { x: 1 }], 'm.dot': 'v' });
  const table: readonly [string, JsonValue, boolean][] = [
    ['unknown kinds match nothing', { kind: 'org.example.new' }, false],
    ['a condition that is no object matches nothing', 'x', false],
    ['event_match needs a pattern', { kind: 'event_match', key: 'type' }, false],
    ['event_match needs a string value', { kind: 'event_match', key: 'content.n', pattern: '*' }, false],
    ['event_match on an absent key', { kind: 'event_match', key: 'content.nope', pattern: '*' }, false],
    ['event_match on a dotted name', { kind: 'event_match', key: 'content.m\\.dot', pattern: 'V' }, true],
    ['event_match is whole outside the body', { kind: 'event_match', key: 'type', pattern: 'm.room' }, false],
    ['event_property_is true', { kind: 'event_property_is', key: 'content.f', value: true }, true],
    ['event_property_is does not cast', { kind: 'event_property_is', key: 'content.n', value: '1' }, false],
    ['event_property_is null', { kind: 'event_property_is', key: 'content.z', value: null }, true],
    ['event_property_is absent is not null', { kind: 'event_property_is', key: 'content.q', value: null }, false],
    ['event_property_is minds case', { kind: 'event_property_is', key: 'type', value: 'M.room.message' }, false],
    ['event_property_contains', { kind: 'event_property_contains', key: 'content.list', value: 2 }, true],
    ['event_property_contains null', { kind: 'event_property_contains', key: 'content.list', value: null }, true],
    ['event_property_contains no part', { kind: 'event_property_contains', key: 'content.list', value: 'b' }, false],
    ['event_property_contains on no list', { kind: 'event_property_contains', key: 'content.n', value: 1 }, false],
    ['contains_display_name', { kind: 'contains_display_name' }, true],
    ['room_member_count', { kind: 'room_member_count', is: '5' }, true],
    ['room_member_count ==', { kind: 'room_member_count', is: '==5' }, true],
    ['room_member_count <', { kind: 'room_member_count', is: '<5' }, false],
    ['room_member_count >', { kind: 'room_member_count', is: '>4' }, true],
    ['room_member_count <=', { kind: 'room_member_count', is: '<=5' }, true],
    ['room_member_count >=', { kind: 'room_member_count', is: '>=6' }, false],
    ['room_member_count nonsense', { kind: 'room_member_count', is: '!5' }, false],
    ['sender_notification_permission', { kind: 'sender_notification_permission', key: 'room' }, false],
  ];
  for (const [name, condition, expected] of table) {
    it(name, () => assert.equal(compileCondition(condition)(context(body), owner), expected));
  }

  it('paths split at dots that are not escaped', () => {
    assert.deepEqual(splitPath('content.m\\.relates_to.x'), ['content', 'm.relates_to', 'x']);
    assert.deepEqual(splitPath('content.m\\\\foo'), ['content', 'm\\foo']);
    assert.deepEqual(splitPath('a\\x.b'), ['a\\x', 'b']);
  });
});
