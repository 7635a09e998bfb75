import type { JsonObject } from '../../util/json.ts';
import type { PushAction, PushRule } from './types.ts';

/** The rule that turns everything off; the only one above the user's own. */
export const masterRuleId = '.m.rule.master';

/** The server's rules, most important first. `room`, `sender` and `content` have none. */
export interface PredefinedRules {
  readonly override: readonly PushRule[];
  readonly underride: readonly PushRule[];
}

const sound = (value: string): JsonObject => ({ set_tweak: 'sound', value });
const highlight: JsonObject = { set_tweak: 'highlight' };

const match = (key: string, pattern: string): JsonObject => ({ kind: 'event_match', key, pattern });

/** A state event of the type, with the empty state key. */
const stateEvent = (type: string): JsonObject[] => [match('type', type), match('state_key', '')];

const rule = (id: string, conditions: JsonObject[], actions: PushAction[], enabled = true): PushRule => ({
  rule_id: id,
  default: true,
  enabled,
  conditions,
  actions,
});

/**
 * The rules that every user has.
 * @see https://spec.matrix.org/v1.19/client-server-api/#predefined-rules
 */
export function predefinedRules(userId: string): PredefinedRules {
  return {
    override: [
      rule(masterRuleId, [], [], false),
      rule('.m.rule.suppress_notices', [match('content.msgtype', 'm.notice')], []),
      rule(
        '.m.rule.invite_for_me',
        [match('type', 'm.room.member'), match('content.membership', 'invite'), match('state_key', userId)],
        ['notify', sound('default')],
      ),
      rule('.m.rule.member_event', [match('type', 'm.room.member')], []),
      rule(
        '.m.rule.is_user_mention',
        [{ kind: 'event_property_contains', key: 'content.m\\.mentions.user_ids', value: userId }],
        ['notify', sound('default'), highlight],
      ),
      rule(
        '.m.rule.is_room_mention',
        [
          { kind: 'event_property_is', key: 'content.m\\.mentions.room', value: true },
          { kind: 'sender_notification_permission', key: 'room' },
        ],
        ['notify', highlight],
      ),
      rule('.m.rule.tombstone', stateEvent('m.room.tombstone'), ['notify', highlight]),
      rule('.m.rule.reaction', [match('type', 'm.reaction')], []),
      rule('.m.rule.room.server_acl', stateEvent('m.room.server_acl'), []),
      rule(
        '.m.rule.suppress_edits',
        [{ kind: 'event_property_is', key: 'content.m\\.relates_to.rel_type', value: 'm.replace' }],
        [],
      ),
    ],
    underride: [
      rule('.m.rule.call', [match('type', 'm.call.invite')], ['notify', sound('ring')]),
      rule(
        '.m.rule.encrypted_room_one_to_one',
        [{ kind: 'room_member_count', is: '2' }, match('type', 'm.room.encrypted')],
        ['notify', sound('default')],
      ),
      rule(
        '.m.rule.room_one_to_one',
        [{ kind: 'room_member_count', is: '2' }, match('type', 'm.room.message')],
        ['notify', sound('default')],
      ),
      rule('.m.rule.message', [match('type', 'm.room.message')], ['notify']),
      rule('.m.rule.encrypted', [match('type', 'm.room.encrypted')], ['notify']),
    ],
  };
}
