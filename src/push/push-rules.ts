import { invalidParam, MatrixError, notFound, tooLarge } from '../protocol/errors.ts';
import type { RoomId } from '../protocol/ids/types.ts';
import { type CompiledRuleset, compileRuleset, predefinedRuleset } from '../protocol/push-rules/compiled.ts';
import {
  countOwnRules,
  deleteRule,
  enableRule,
  findRule,
  putRule,
  type RulePlace,
  type RulesetEdit,
  readRuleset,
  rulesetContent,
  setRuleActions,
} from '../protocol/push-rules/ruleset.ts';
import type { PushAction, PushRule, PushRuleset, RuleKind } from '../protocol/push-rules/types.ts';
import type { Database } from '../store/db.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { RoomNid, UserNid } from '../store/nids.ts';
import type { AccountData, AccountDataObserver } from '../users/account-data.ts';
import { ignoredUsers } from '../users/ignored-users.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../util/json.ts';
import { Lru } from '../util/lru.ts';

/** What decides whether an event notifies a user. */
export interface PushProfile {
  readonly rules: CompiledRuleset;
  /** Whoever the user ignores notifies of nothing. */
  readonly ignored: ReadonlySet<UserNid>;
}

export interface PushRulesUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly accountData: AccountData;
}

/** Profiles kept: most are two pointers, as whoever changed nothing shares the predefined rules. */
const maxProfiles = 1024;

/** A user's own rules; each is asked for every message. Far more than people make. */
const maxOwnRules = 1000;
/** All rules together, as JSON: a bound on what one user can make of every message's evaluation. */
const maxRulesLength = 128 * 1024;

/**
 * The push rules of users: reading, changing, and ready for evaluation. They are kept as account data, of which this
 * is an observer.
 */
export class PushRules implements AccountDataObserver {
  readonly #db: Database;
  readonly #accountData: AccountData;
  readonly #interning: Interning;
  readonly #profiles = new Lru<UserNid, PushProfile>(maxProfiles);

  constructor(uses: PushRulesUses) {
    this.#db = uses.db;
    this.#accountData = uses.accountData;
    this.#interning = uses.interning;
  }

  of(user: UserNid): PushProfile {
    let profile = this.#profiles.get(user);
    if (profile === undefined) {
      const stored = this.#accountData.get(user, 'm.push_rules');
      const rules = stored === undefined ? predefinedRuleset : compileRuleset(this.ruleset(user));
      profile = { rules, ignored: this.ignored(user) };
      this.#profiles.set(user, profile);
    }
    return profile;
  }

  onAccountData(user: UserNid, _room: RoomNid | undefined, type: string): void {
    if (type !== 'm.push_rules' && type !== 'm.ignored_user_list') return;
    this.#profiles.delete(user);
    this.#db.afterRollback(() => this.#profiles.delete(user));
  }

  /** The users that a user ignores. */
  ignored(user: UserNid): ReadonlySet<UserNid> {
    return ignoredUsers(this.#accountData, this.#interning, user);
  }

  ruleset(user: UserNid): PushRuleset {
    return readRuleset(this.#accountData.get(user, 'm.push_rules'), this.#interning.userId(user));
  }

  /** The content of the user's `m.push_rules` account data, also if nothing was ever changed. */
  content(user: UserNid): JsonObject {
    return rulesetContent(this.ruleset(user));
  }

  /** 404 M_NOT_FOUND without such a rule. */
  rule(user: UserNid, kind: RuleKind, ruleId: string): PushRule {
    const rule = findRule(this.ruleset(user), kind, ruleId);
    if (rule === undefined) throw noSuchRule();
    return rule;
  }

  put(user: UserNid, kind: RuleKind, rule: PushRule, place: RulePlace): Promise<void> {
    return this.#db.durable<void>(() => {
      const ruleset = this.ruleset(user);
      if (countOwnRules(ruleset) >= maxOwnRules && findRule(ruleset, kind, rule.rule_id) === undefined) {
        throw invalidParam(`A user can have at most ${maxOwnRules} push rules`);
      }
      this.#store(user, putRule(ruleset, kind, rule, place));
    });
  }

  delete(user: UserNid, kind: RuleKind, ruleId: string): Promise<void> {
    return this.#change(user, () => deleteRule(this.ruleset(user), kind, ruleId));
  }

  enable(user: UserNid, kind: RuleKind, ruleId: string, enabled: boolean): Promise<void> {
    return this.#change(user, () => enableRule(this.ruleset(user), kind, ruleId, enabled));
  }

  setActions(user: UserNid, kind: RuleKind, ruleId: string, actions: readonly PushAction[]): Promise<void> {
    return this.#change(user, () => setRuleActions(this.ruleset(user), kind, ruleId, actions));
  }

  /** Survives a power cut once it resolves. */
  #change(user: UserNid, edit: () => RulesetEdit): Promise<void> {
    return this.#db.durable<void>(() => this.#store(user, edit()));
  }

  /** Inside a write: what a user has set for a room holds for the one that has replaced it. */
  copyRoom(user: UserNid, from: RoomId, to: RoomId): void {
    if (this.#accountData.get(user, 'm.push_rules') === undefined) return;
    let ruleset = this.ruleset(user);
    for (const kind of ['override', 'room'] as const) {
      const rule = findRule(ruleset, kind, from);
      if (rule === undefined || findRule(ruleset, kind, to) !== undefined) continue;
      const conditions = rule.conditions?.map((condition) => aboutRoom(condition, from, to));
      const copy = { ...rule, rule_id: to, ...(conditions === undefined ? {} : { conditions }) };
      const edit = putRule(ruleset, kind, copy, {});
      if (typeof edit !== 'string') ruleset = edit;
    }
    // Whoever has no space left comes into the room all the same.
    const isTooMuch = JSON.stringify(rulesetContent(ruleset)).length > maxRulesLength;
    if (!isTooMuch && countOwnRules(ruleset) <= maxOwnRules) this.#store(user, ruleset);
  }

  #store(user: UserNid, edit: RulesetEdit): void {
    if (edit === 'no-such-rule') throw noSuchRule();
    if (edit === 'no-such-neighbour') {
      throw new MatrixError(400, 'M_UNKNOWN', 'There is no rule with the ID given as before or after');
    }
    if (edit === 'predefined') throw invalidParam('Rule IDs that start with a dot are the server’s');
    const content = rulesetContent(edit);
    if (JSON.stringify(content).length > maxRulesLength) throw tooLarge('The push rules of a user are too large');
    this.#accountData.set(user, 'm.push_rules', content);
  }
}

function aboutRoom(condition: JsonValue, from: RoomId, to: RoomId): JsonValue {
  if (!isJsonObject(condition) || condition['key'] !== 'room_id') return condition;
  const changed: JsonObject = { ...condition };
  for (const field of ['pattern', 'value']) if (changed[field] === from) changed[field] = to;
  return changed;
}

function noSuchRule(): MatrixError {
  return notFound('The push rule was not found');
}
