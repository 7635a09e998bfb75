import { isJsonObject, type JsonObject, type JsonValue } from '../../util/json.ts';
import { masterRuleId, predefinedRules } from './predefined.ts';
import { type PushAction, type PushRule, type PushRuleset, type RuleKind, ruleKinds } from './types.ts';

/**
 * A user's rules from what was stored of them: the content of `m.push_rules` as it was when the user last changed
 * something, or nothing. Predefined rules are always this release's, with the user's `enabled` and `actions` kept;
 * predefined rules of other releases are dropped.
 */
export function readRuleset(stored: JsonObject | undefined, userId: string): PushRuleset {
  const global = stored?.['global'];
  const kept = isJsonObject(global) ? global : {};
  const predefined = predefinedRules(userId);
  const own = (kind: RuleKind) => rulesOf(kept[kind]).filter((rule) => !isServerRule(rule.rule_id));
  const adapted = (kind: 'override' | 'underride') => adapt(predefined[kind], rulesOf(kept[kind]));
  const [master, ...overrides] = adapted('override') as [PushRule, ...PushRule[]];
  return {
    override: [master, ...own('override'), ...overrides],
    content: own('content'),
    room: own('room'),
    sender: own('sender'),
    underride: [...own('underride'), ...adapted('underride')],
  };
}

/** The content of the `m.push_rules` account data event. */
export function rulesetContent(ruleset: PushRuleset): JsonObject {
  return { global: ruleset as unknown as JsonObject };
}

/** Predefined rules are known by a leading dot. */
export function isServerRule(ruleId: string): boolean {
  return ruleId.startsWith('.');
}

export function findRule(ruleset: PushRuleset, kind: RuleKind, ruleId: string): PushRule | undefined {
  return ruleset[kind].find((rule) => rule.rule_id === ruleId);
}

/** What an edit ends in: the new ruleset, or why there is none. */
export type RulesetEdit = PushRuleset | 'no-such-rule' | 'no-such-neighbour' | 'predefined';

export interface RulePlace {
  /** The new rule becomes the next more important one than this. */
  readonly before?: string | undefined;
  /** The new rule becomes the next less important one than this. */
  readonly after?: string | undefined;
}

/**
 * Adds a user's rule, or replaces the one with its ID, which keeps whether it is enabled and, unless a place is
 * named, where it stands. A new rule becomes the user's most important of its kind.
 */
export function putRule(ruleset: PushRuleset, kind: RuleKind, rule: PushRule, place: RulePlace): RulesetEdit {
  if (isServerRule(rule.rule_id)) return 'predefined';
  const before = findRule(ruleset, kind, rule.rule_id);
  const entry = before === undefined ? rule : { ...rule, enabled: before.enabled };
  const neighbour = place.before ?? place.after;
  if (neighbour === undefined) {
    if (before === undefined) return insert(ruleset, kind, entry, firstOwnIndex(ruleset[kind]));
    return replace(ruleset, kind, entry);
  }
  if (isServerRule(neighbour)) return 'predefined';
  const others = { ...ruleset, [kind]: ruleset[kind].filter((other) => other.rule_id !== rule.rule_id) };
  const at = others[kind].findIndex((other) => other.rule_id === neighbour);
  if (at < 0) return 'no-such-neighbour';
  return insert(others, kind, entry, place.before === undefined ? at + 1 : at);
}

export function deleteRule(ruleset: PushRuleset, kind: RuleKind, ruleId: string): RulesetEdit {
  if (isServerRule(ruleId)) return findRule(ruleset, kind, ruleId) === undefined ? 'no-such-rule' : 'predefined';
  if (findRule(ruleset, kind, ruleId) === undefined) return 'no-such-rule';
  return { ...ruleset, [kind]: ruleset[kind].filter((rule) => rule.rule_id !== ruleId) };
}

export function enableRule(ruleset: PushRuleset, kind: RuleKind, ruleId: string, enabled: boolean): RulesetEdit {
  const rule = findRule(ruleset, kind, ruleId);
  return rule === undefined ? 'no-such-rule' : replace(ruleset, kind, { ...rule, enabled });
}

export function setRuleActions(
  ruleset: PushRuleset,
  kind: RuleKind,
  ruleId: string,
  actions: readonly PushAction[],
): RulesetEdit {
  const rule = findRule(ruleset, kind, ruleId);
  return rule === undefined ? 'no-such-rule' : replace(ruleset, kind, { ...rule, actions });
}

/** How many rules the user has made. */
export function countOwnRules(ruleset: PushRuleset): number {
  let count = 0;
  for (const kind of ruleKinds) for (const rule of ruleset[kind]) if (!isServerRule(rule.rule_id)) count++;
  return count;
}

function replace(ruleset: PushRuleset, kind: RuleKind, rule: PushRule): PushRuleset {
  return { ...ruleset, [kind]: ruleset[kind].map((other) => (other.rule_id === rule.rule_id ? rule : other)) };
}

function insert(ruleset: PushRuleset, kind: RuleKind, rule: PushRule, at: number): PushRuleset {
  return { ...ruleset, [kind]: ruleset[kind].toSpliced(at, 0, rule) };
}

function firstOwnIndex(rules: readonly PushRule[]): number {
  return rules[0]?.rule_id === masterRuleId ? 1 : 0;
}

function adapt(predefined: readonly PushRule[], stored: readonly PushRule[]): PushRule[] {
  return predefined.map((rule) => {
    const kept = stored.find((other) => other.rule_id === rule.rule_id);
    return kept === undefined ? rule : { ...rule, enabled: kept.enabled, actions: kept.actions };
  });
}

function rulesOf(value: JsonValue | undefined): PushRule[] {
  if (!Array.isArray(value)) return [];
  return value.filter(isRule);
}

function isRule(value: JsonValue): value is JsonObject & PushRule {
  return (
    isJsonObject(value) &&
    typeof value['rule_id'] === 'string' &&
    typeof value['enabled'] === 'boolean' &&
    Array.isArray(value['actions'])
  );
}
