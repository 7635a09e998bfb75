import type { RoomVersionRules } from '../room-versions.ts';
import { conflictedGraph } from './auth-difference.ts';
import { mainlineOrder } from './mainline.ts';
import { powerOrder } from './power-order.ts';
import { Replay } from './replay.ts';
import { StateMap } from './state-map.ts';
import type { ResolutionInput, ResolvedKey } from './types.ts';

/**
 * State resolution v2 (room versions 2 to 11) and v2.1 (12).
 * @see https://spec.matrix.org/v1.19/rooms/v12/#algorithm
 */
export function resolveV2<Id>(rules: RoomVersionRules, input: ResolutionInput<Id>): ResolvedKey<Id>[] {
  const isV21 = rules.stateResolution === 'v2.1';
  const full = fullConflictedSet(input, isV21);
  const replay = new Replay(rules, input, isV21 ? () => undefined : input.unconflicted);
  // 1
  const first = powerOrder(rules, input, full);
  // 2
  replay.apply(first);
  // 3
  const taken = new Set(first);
  const rest = [...full].filter((id) => !taken.has(id));
  const second = mainlineOrder(input, replay.get('m.room.power_levels', ''), rest);
  // 4
  replay.apply(second);
  return changes(input, replay.decided());
}

function fullConflictedSet<Id>(input: ResolutionInput<Id>, isV21: boolean): Set<Id> {
  const { difference, subgraph } = conflictedGraph(input.graph, input.setCount, input.conflicts, isV21);
  const full = new Set([...difference, ...subgraph]);
  input.onAuthDifference?.(full.size);
  for (const conflict of input.conflicts) {
    for (const id of conflict.bySet) {
      if (id !== undefined) full.add(id);
    }
  }
  return full;
}

/**
 * Step 5: the unconflicted state stays as it was, so what changes are the conflicted keys, and keys that no state set
 * has an entry for but an event of the auth difference brought back.
 */
function changes<Id>(input: ResolutionInput<Id>, decided: StateMap<Id>): ResolvedKey<Id>[] {
  const conflicted = new StateMap<true>();
  const resolved: ResolvedKey<Id>[] = [];
  for (const { type, stateKey } of input.conflicts) {
    conflicted.set(type, stateKey, true);
    resolved.push({ type, stateKey, winner: decided.get(type, stateKey) });
  }
  for (const [type, stateKey, winner] of decided.entries()) {
    if (conflicted.has(type, stateKey) || input.unconflicted(type, stateKey)) continue;
    resolved.push({ type, stateKey, winner });
  }
  return resolved;
}
