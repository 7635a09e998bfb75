import * as v from 'valibot';
import { badJson, invalidParam } from '../../../protocol/errors.ts';
import { isRoomId } from '../../../protocol/ids/room-id.ts';
import { isUserId } from '../../../protocol/ids/user-id.ts';
import { isRuleKind, type PushAction, type PushRule, type RuleKind } from '../../../protocol/push-rules/types.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../../util/json.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { empty, json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

const path = '/_matrix/client/v3/pushrules/global/{kind}/{ruleId}';

function kindOf(text: string): RuleKind {
  if (!isRuleKind(text)) throw invalidParam('The kind must be override, underride, sender, room or content');
  return text;
}

/**
 * A name, or a tweak with its name: anything else no client could follow. `dont_notify` of older specifications means
 * nothing here, but is kept: clients know by it which of their rules mute a room.
 */
function actionsOf(value: JsonValue): PushAction[] {
  if (!Array.isArray(value)) throw badJson('actions must be a list');
  for (const action of value) {
    const isTweak = isJsonObject(action) && typeof action['set_tweak'] === 'string';
    if (typeof action !== 'string' && !isTweak) throw badJson('each action must be a string or have a set_tweak');
  }
  return value as PushAction[];
}

/** Patterns are searched for in every message. */
const pattern = v.pipe(v.string(), v.maxLength(255));

const ruleSchema = v.object({
  actions: v.array(v.unknown()),
  conditions: v.optional(v.array(v.looseObject({ kind: v.string(), pattern: v.optional(pattern) }))),
  pattern: v.optional(pattern),
});

/** The rule that a body describes. What does not go with its kind is left out. */
function ruleOf(kind: RuleKind, ruleId: string, body: JsonObject): PushRule {
  if (ruleId.startsWith('.')) throw invalidParam('Rule IDs that start with a dot are the server’s');
  if (/[/\\]/.test(ruleId)) throw invalidParam('Rule IDs have no slashes and no backslashes');
  if (kind === 'room' && !isRoomId(ruleId)) throw invalidParam('The ID of a room rule is a room ID');
  if (kind === 'sender' && !isUserId(ruleId)) throw invalidParam('The ID of a sender rule is a user ID');
  const { conditions, pattern: words } = parse(ruleSchema, body);
  if (kind === 'content' && words === undefined) throw badJson('A content rule needs a pattern');
  const hasConditions = kind === 'override' || kind === 'underride';
  return {
    rule_id: ruleId,
    default: false,
    enabled: true,
    actions: actionsOf(body['actions'] as JsonValue),
    ...(hasConditions && { conditions: (conditions ?? []) as JsonValue[] }),
    ...(kind === 'content' && words !== undefined && { pattern: words }),
  };
}

/**
 * `GET /_matrix/client/v3/pushrules/`, `GET …/pushrules/global/`
 * All rules of the user, most important first within each kind.
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3pushrules
 */
const allRules = ({ pushRules }: Services): Endpoint[] => [
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/pushrules/',
    alsoAt: ['/_matrix/client/v3/pushrules'],
    auth: 'user',
    body: 'none',
    handler: ({ requester }) => json({ global: pushRules.ruleset(requester.user) }),
  }),
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/pushrules/global/',
    alsoAt: ['/_matrix/client/v3/pushrules/global'],
    auth: 'user',
    body: 'none',
    handler: ({ requester }) => json(pushRules.ruleset(requester.user)),
  }),
];

/**
 * `GET …/pushrules/global/{kind}/{ruleId}`, and its parts `/enabled` and `/actions`
 * 200 · 400 M_INVALID_PARAM no such kind · 404 M_NOT_FOUND no such rule
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3pushrulesglobalkindruleid
 */
const readRule = ({ pushRules }: Services): Endpoint[] => [
  endpoint({
    method: 'GET',
    path,
    auth: 'user',
    body: 'none',
    handler: ({ requester, params }) => json(pushRules.rule(requester.user, kindOf(params.kind), params.ruleId)),
  }),
  endpoint({
    method: 'GET',
    path: `${path}/enabled`,
    auth: 'user',
    body: 'none',
    handler({ requester, params }) {
      return json({ enabled: pushRules.rule(requester.user, kindOf(params.kind), params.ruleId).enabled });
    },
  }),
  endpoint({
    method: 'GET',
    path: `${path}/actions`,
    auth: 'user',
    body: 'none',
    handler({ requester, params }) {
      return json({ actions: pushRules.rule(requester.user, kindOf(params.kind), params.ruleId).actions });
    },
  }),
];

/**
 * `PUT …/pushrules/global/{kind}/{ruleId}`
 * Adds a rule or changes the one with this ID; `before` and `after` place it.
 * 200 `{}` · 400 M_INVALID_PARAM kind, ID, a pattern over 255 characters · 400 M_MISSING_PARAM, M_BAD_JSON
 * · 400 M_UNKNOWN no such neighbour · 413 M_TOO_LARGE all rules together
 * @see https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3pushrulesglobalkindruleid
 */
const putRule = ({ pushRules }: Services): Endpoint =>
  endpoint({
    method: 'PUT',
    path,
    auth: 'user',
    body: 'json',
    limit: 'other',
    async handler({ requester, params, query, body }) {
      const kind = kindOf(params.kind);
      const place = { before: query.get('before'), after: query.get('after') };
      await pushRules.put(requester.user, kind, ruleOf(kind, params.ruleId, body), place);
      return empty();
    },
  });

/**
 * `DELETE …/pushrules/global/{kind}/{ruleId}`
 * 200 `{}` · 400 M_INVALID_PARAM a rule of the server · 404 M_NOT_FOUND no such rule
 * @see https://spec.matrix.org/v1.19/client-server-api/#delete_matrixclientv3pushrulesglobalkindruleid
 */
const deleteRule = ({ pushRules }: Services): Endpoint =>
  endpoint({
    method: 'DELETE',
    path,
    auth: 'user',
    body: 'none',
    async handler({ requester, params }) {
      await pushRules.delete(requester.user, kindOf(params.kind), params.ruleId);
      return empty();
    },
  });

/**
 * `PUT …/pushrules/global/{kind}/{ruleId}/enabled`, `PUT …/actions`
 * Changes one part of a rule, also of one of the server's.
 * 200 `{}` · 400 M_MISSING_PARAM, M_BAD_JSON · 404 M_NOT_FOUND no such rule
 * @see https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3pushrulesglobalkindruleidenabled
 */
const changeRule = ({ pushRules }: Services): Endpoint[] => [
  endpoint({
    method: 'PUT',
    path: `${path}/enabled`,
    auth: 'user',
    body: 'json',
    async handler({ requester, params, body }) {
      const { enabled } = parse(v.object({ enabled: v.boolean() }), body);
      await pushRules.enable(requester.user, kindOf(params.kind), params.ruleId, enabled);
      return empty();
    },
  }),
  endpoint({
    method: 'PUT',
    path: `${path}/actions`,
    auth: 'user',
    body: 'json',
    async handler({ requester, params, body }) {
      parse(v.object({ actions: v.array(v.unknown()) }), body);
      const actions = actionsOf(body['actions'] as JsonValue);
      await pushRules.setActions(requester.user, kindOf(params.kind), params.ruleId, actions);
      return empty();
    },
  }),
];

export const pushRuleEndpoints = (services: Services): Endpoint[] => [
  ...allRules(services),
  ...readRule(services),
  putRule(services),
  deleteRule(services),
  ...changeRule(services),
];
