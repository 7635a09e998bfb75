import type { RoomVersionRules } from '../room-versions.ts';
import type { ResolutionInput, ResolvedKey } from './types.ts';
import { resolveV1 } from './v1.ts';
import { resolveV2 } from './v2.ts';

/**
 * Resolves the conflict between the state sets after several events by the room version's algorithm. Returns what
 * the resolved state has under each conflicted key, and, seldom, under keys that were in no set at all; everything
 * else is as in the unconflicted state. What is read grows with the conflict, never with the state.
 */
export function resolve<Id>(rules: RoomVersionRules, input: ResolutionInput<Id>): ResolvedKey<Id>[] {
  if (input.conflicts.length === 0) return [];
  return rules.stateResolution === 'v1' ? resolveV1(rules, input) : resolveV2(rules, input);
}
