import type { JsonObject, JsonValue } from '../../util/json.ts';

/** The kinds of rules in the order in which they are asked. */
export const ruleKinds = ['override', 'content', 'room', 'sender', 'underride'] as const;
export type RuleKind = (typeof ruleKinds)[number];

export function isRuleKind(text: string): text is RuleKind {
  return (ruleKinds as readonly string[]).includes(text);
}

/** `notify`, or a tweak `{ set_tweak, value? }`. Anything else is carried and means nothing here. */
export type PushAction = string | JsonObject;

/** A rule as clients see it. */
export interface PushRule {
  readonly rule_id: string;
  readonly default: boolean;
  readonly enabled: boolean;
  readonly actions: readonly PushAction[];
  /** Of `override` and `underride` rules. What is not an object is an unknown condition. */
  readonly conditions?: readonly JsonValue[];
  /** Of `content` rules. */
  readonly pattern?: string;
}

/** All rules of a user, most important first within each kind: the content of `m.push_rules` under `global`. */
export type PushRuleset = { readonly [kind in RuleKind]: readonly PushRule[] };

/** The event as push rules see it. */
export interface PushEvent {
  readonly type: string;
  readonly sender: string;
  readonly room_id: string;
  readonly content: JsonObject;
  readonly [key: string]: unknown;
}

/** What the conditions ask about an event and its room; the same for every user that the event is evaluated for. */
export interface PushContext {
  readonly event: PushEvent;
  /** Joined members of the room; NaN if that is not known: then no condition about it holds. */
  readonly memberCount: number;
  /** Whether the sender's power level reaches what `notifications.<key>` demands. */
  senderMayNotify(key: string): boolean;
}

/** Whose rules are evaluated. */
export interface PushOwner {
  readonly userId: string;
  /** The owner's display name in the room; asked for by few rules, so looked up only then. */
  displayName(): string | undefined;
}

/** What a matching rule tells the server to do. */
export interface PushOutcome {
  readonly notify: boolean;
  /** Counted as a highlight; implies `notify`. */
  readonly highlight: boolean;
  readonly actions: readonly PushAction[];
}
