import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  countOwnRules,
  deleteRule,
  enableRule,
  findRule,
  putRule,
  readRuleset,
  rulesetContent,
  setRuleActions,
} from '../../../src/protocol/push-rules/ruleset.ts';
import type { PushRule, PushRuleset } from '../../../src/protocol/push-rules/types.ts';

const alice = '@alice:example.org';
const rule = (id: string): PushRule => ({
  rule_id: id,
  default: false,
  enabled: true,
  actions: ['notify'],
  conditions: [],
});
const ids = (set: PushRuleset) => set.override.map((one) => one.rule_id).filter((id) => !/^\.m\.rule\.[^m]/.test(id));
const put = (set: PushRuleset, id: string, place = {}) => putRule(set, 'override', rule(id), place) as PushRuleset;

describe('a user’s push rules', () => {
  const fresh = readRuleset(undefined, alice);

  it('a new rule is the most important of the user’s, below the master rule', () => {
    assert.deepEqual(ids(put(put(fresh, 'a'), 'b')).slice(0, 3), ['.m.rule.master', 'b', 'a']);
  });

  it('before and after place a rule; before wins', () => {
    const set = put(put(put(fresh, 'a'), 'b'), 'c');
    assert.deepEqual(ids(put(set, 'd', { before: 'b' })).slice(1, 5), ['c', 'd', 'b', 'a']);
    assert.deepEqual(ids(put(set, 'd', { after: 'b' })).slice(1, 5), ['c', 'b', 'd', 'a']);
    assert.deepEqual(ids(put(set, 'a', { before: 'c' })).slice(1, 4), ['a', 'c', 'b']);
    assert.deepEqual(ids(put(set, 'd', { before: 'a', after: 'c' })).slice(1, 5), ['c', 'b', 'd', 'a']);
    assert.equal(putRule(set, 'override', rule('d'), { before: 'x' }), 'no-such-neighbour');
    assert.equal(putRule(set, 'override', rule('d'), { after: '.m.rule.master' }), 'predefined');
    assert.equal(putRule(set, 'override', rule('.d'), {}), 'predefined');
  });

  it('a rule that is put again keeps its place and whether it is enabled', () => {
    const off = enableRule(put(put(fresh, 'a'), 'b'), 'override', 'a', false) as PushRuleset;
    const again = put(off, 'a');
    assert.deepEqual(ids(again).slice(1, 3), ['b', 'a']);
    assert.equal(findRule(again, 'override', 'a')?.enabled, false);
  });

  it('only the user’s own rules can be deleted', () => {
    assert.equal(deleteRule(fresh, 'override', 'a'), 'no-such-rule');
    assert.equal(deleteRule(fresh, 'override', '.m.rule.master'), 'predefined');
    assert.deepEqual(deleteRule(put(fresh, 'a'), 'override', 'a'), fresh);
  });

  it('survives storing; predefined rules keep what the user set and are otherwise this release’s', () => {
    let set = put(fresh, 'a');
    set = setRuleActions(set, 'underride', '.m.rule.message', []) as PushRuleset;
    set = enableRule(set, 'override', '.m.rule.suppress_notices', false) as PushRuleset;
    const stored = JSON.parse(JSON.stringify(rulesetContent(set)));
    assert.deepEqual(JSON.parse(JSON.stringify(readRuleset(stored, alice))), stored.global);
    stored.global.override.push({ rule_id: '.m.rule.of_another_release', default: true, enabled: true, actions: [] });
    stored.global.override = stored.global.override.filter((one: PushRule) => one.rule_id !== '.m.rule.tombstone');
    const read = readRuleset(stored, alice);
    assert.equal(findRule(read, 'override', '.m.rule.of_another_release'), undefined);
    assert.equal(findRule(read, 'override', '.m.rule.tombstone')?.enabled, true);
    assert.equal(countOwnRules(read), 1);
  });

  it('shrugs at stored nonsense', () => {
    assert.deepEqual(readRuleset({ global: { override: [1, {}], room: 'x' } }, alice), fresh);
    assert.deepEqual(readRuleset({ global: 3 }, alice), fresh);
  });
});
