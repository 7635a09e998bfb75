import { isJsonObject } from '../../util/json.ts';
import { type Condition, compileCondition } from './conditions.ts';
import { wordGlob } from './glob.ts';
import { predefinedRules } from './predefined.ts';
import { readRuleset } from './ruleset.ts';
import type { PushAction, PushContext, PushOutcome, PushOwner, PushRule, PushRuleset } from './types.ts';

interface CompiledRule {
  readonly conditions: readonly Condition[];
  readonly outcome: PushOutcome;
}

/** A ruleset made ready for evaluation: patterns parsed, disabled rules left out, room and sender rules by name. */
export interface CompiledRuleset {
  readonly override: readonly CompiledRule[];
  readonly content: readonly CompiledRule[];
  readonly room: ReadonlyMap<string, PushOutcome>;
  readonly sender: ReadonlyMap<string, PushOutcome>;
  readonly underride: readonly CompiledRule[];
}

export function compileRuleset(ruleset: PushRuleset): CompiledRuleset {
  const withConditions = (rule: PushRule): CompiledRule => ({
    conditions: predefinedConditions.get(rule.rule_id) ?? (rule.conditions ?? []).map(compileCondition),
    outcome: outcomeOf(rule.actions),
  });
  const byName = (rules: readonly PushRule[]) =>
    new Map(rules.filter((rule) => rule.enabled).map((rule) => [rule.rule_id, outcomeOf(rule.actions)]));
  return {
    override: ruleset.override.filter((rule) => rule.enabled).map(withConditions),
    content: ruleset.content.filter((rule) => rule.enabled).map(contentRule),
    room: byName(ruleset.room),
    sender: byName(ruleset.sender),
    underride: ruleset.underride.filter((rule) => rule.enabled).map(withConditions),
  };
}

/** The conditions that name the owner, for all owners alike. */
const ownerConditions: ReadonlyMap<string, readonly Condition[]> = new Map<string, readonly Condition[]>([
  [
    '.m.rule.invite_for_me',
    [
      ({ event }, owner) =>
        event.type === 'm.room.member' &&
        event.content['membership'] === 'invite' &&
        event['state_key'] === owner.userId,
    ],
  ],
  [
    '.m.rule.is_user_mention',
    [
      ({ event }, owner) => {
        const mentions = event.content['m.mentions'];
        const users = isJsonObject(mentions) ? mentions['user_ids'] : undefined;
        return Array.isArray(users) && users.includes(owner.userId);
      },
    ],
  ],
]);

/**
 * The conditions of predefined rules, made ready once and shared: what is held of a user is what the user changed.
 * Their conditions cannot be changed, and rule IDs with a dot in front are the server's.
 */
const predefinedConditions: ReadonlyMap<string, readonly Condition[]> = new Map(
  Object.values(predefinedRules('')).flatMap((rules: readonly PushRule[]) =>
    rules.map((rule) => [
      rule.rule_id,
      ownerConditions.get(rule.rule_id) ?? (rule.conditions ?? []).map(compileCondition),
    ]),
  ),
);

/** For all who changed nothing. */
export const predefinedRuleset: CompiledRuleset = compileRuleset(readRuleset(undefined, ''));

function contentRule(rule: PushRule): CompiledRule {
  const test = rule.pattern === undefined ? () => false : wordGlob(rule.pattern);
  const matches: Condition = ({ event }) => {
    const body = event.content['body'];
    return typeof body === 'string' && test(body);
  };
  return { conditions: [matches], outcome: outcomeOf(rule.actions) };
}

/**
 * The outcome of the most important rule that matches, or `undefined` if none does: then nothing is notified.
 * Not to be asked for the user's own events.
 * @see https://spec.matrix.org/v1.19/client-server-api/#push-rules
 */
export function evaluatePushRules(
  ruleset: CompiledRuleset,
  context: PushContext,
  owner: PushOwner,
): PushOutcome | undefined {
  return (
    firstMatch(ruleset.override, context, owner) ??
    firstMatch(ruleset.content, context, owner) ??
    ruleset.room.get(context.event.room_id) ??
    ruleset.sender.get(context.event.sender) ??
    firstMatch(ruleset.underride, context, owner)
  );
}

function firstMatch(rules: readonly CompiledRule[], context: PushContext, owner: PushOwner): PushOutcome | undefined {
  next: for (const rule of rules) {
    for (const holds of rule.conditions) if (!holds(context, owner)) continue next;
    return rule.outcome;
  }
  return undefined;
}

/** What a list of actions amounts to. `dont_notify` and `coalesce` of older specifications are left out. */
export function outcomeOf(actions: readonly PushAction[]): PushOutcome {
  const known = actions.filter((action) => action !== 'dont_notify' && action !== 'coalesce');
  const notify = known.includes('notify');
  const highlight = known.some((action) => {
    if (!isJsonObject(action) || action['set_tweak'] !== 'highlight') return false;
    return action['value'] === undefined || action['value'] === true;
  });
  return { notify, highlight: notify && highlight, actions: known };
}
