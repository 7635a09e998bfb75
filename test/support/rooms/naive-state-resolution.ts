import { checkAuth } from '../../../src/protocol/event-auth/check.ts';
import { PowerLevels } from '../../../src/protocol/event-auth/power-levels.ts';
import type { AuthEvent } from '../../../src/protocol/event-auth/types.ts';
import type { RoomVersionRules } from '../../../src/protocol/room-versions.ts';
import { sha1Hex } from '../../../src/util/hash.ts';
import { goodSignatures } from './auth-event.ts';

/**
 * State resolution as the text has it, sentence by sentence, with whole states and whole auth chains in memory and
 * no cleverness. It shares only the auth rules with the real one.
 */
export type NaiveState = ReadonlyMap<string, string>;

export interface NaiveRoom {
  readonly rules: RoomVersionRules;
  readonly createId: string;
  readonly events: ReadonlyMap<string, AuthEvent<string>>;
}

export const keyOf = (type: string, stateKey: string): string => JSON.stringify([type, stateKey]);

function eventOf(room: NaiveRoom, id: string): AuthEvent<string> {
  const event = room.events.get(id);
  if (!event) throw new Error(`no event ${id}`);
  return event;
}

function authEventsOf(room: NaiveRoom, id: string): string[] {
  const cited = [...eventOf(room, id).authEvents];
  if (!room.rules.createInAuthEvents && id !== room.createId) cited.push(room.createId);
  return cited;
}

function authChain(room: NaiveRoom, id: string): Set<string> {
  const chain = new Set<string>();
  const pending = authEventsOf(room, id);
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (chain.has(next)) continue;
    chain.add(next);
    pending.push(...authEventsOf(room, next));
  }
  return chain;
}

/** The union of the auth chains of a state's events and the events themselves. */
function fullChain(room: NaiveRoom, state: NaiveState): Set<string> {
  const full = new Set<string>();
  for (const id of state.values()) {
    full.add(id);
    for (const cited of authChain(room, id)) full.add(cited);
  }
  return full;
}

export function naiveSeparate(sets: readonly NaiveState[]): { unconflicted: NaiveState; conflicted: Set<string> } {
  const unconflicted = new Map<string, string>();
  const conflicted = new Set<string>();
  for (const key of new Set(sets.flatMap((set) => [...set.keys()]))) {
    const ids = new Set(sets.map((set) => set.get(key)));
    const [first] = ids;
    if (ids.size === 1 && first !== undefined) unconflicted.set(key, first);
    else for (const id of ids) if (id !== undefined) conflicted.add(id);
  }
  return { unconflicted, conflicted };
}

export function naiveAuthDifference(room: NaiveRoom, sets: readonly NaiveState[]): Set<string> {
  const chains = sets.map((set) => fullChain(room, set));
  const union = new Set(chains.flatMap((chain) => [...chain]));
  return new Set([...union].filter((id) => !chains.every((chain) => chain.has(id))));
}

export function naiveSubgraph(room: NaiveRoom, conflicted: ReadonlySet<string>): Set<string> {
  const behind = new Set([...conflicted].flatMap((id) => [...authChain(room, id)]));
  const leadsToConflicted = (id: string) => [...authChain(room, id)].some((cited) => conflicted.has(cited));
  return new Set([...conflicted, ...[...behind].filter(leadsToConflicted)]);
}

export function naiveResolve(room: NaiveRoom, sets: readonly NaiveState[]): NaiveState {
  return room.rules.stateResolution === 'v1' ? naiveV1(room, sets) : naiveV2(room, sets);
}

function naiveV2(room: NaiveRoom, sets: readonly NaiveState[]): NaiveState {
  const { unconflicted, conflicted } = naiveSeparate(sets);
  const isV21 = room.rules.stateResolution === 'v2.1';
  const full = new Set([...conflicted, ...naiveAuthDifference(room, sets)]);
  if (isV21) for (const id of naiveSubgraph(room, conflicted)) full.add(id);
  // 1: the chains are followed inside the full conflicted set
  const x = new Set([...full].filter((id) => isPower(eventOf(room, id))));
  for (const id of x) for (const cited of authEventsOf(room, id)) if (full.has(cited)) x.add(cited);
  const powerSorted = reverseTopological(room, x);
  // 2
  const partial = iterate(room, new Map(isV21 ? [] : unconflicted), powerSorted);
  // 3
  const rest = [...full].filter((id) => !x.has(id));
  const sorted = mainlineSorted(room, partial.get(keyOf('m.room.power_levels', '')), rest);
  // 4
  const result = new Map(iterate(room, partial, sorted));
  // 5
  for (const [key, id] of unconflicted) result.set(key, id);
  return result;
}

function isPower(event: AuthEvent<string>): boolean {
  if (['m.room.power_levels', 'm.room.join_rules', 'm.room.create'].includes(event.type)) return event.stateKey === '';
  const membership = event.content['membership'];
  return (
    event.type === 'm.room.member' &&
    (membership === 'leave' || membership === 'ban') &&
    event.sender !== event.stateKey
  );
}

function powerLevelsCited(room: NaiveRoom, event: AuthEvent<string>): AuthEvent<string> | undefined {
  return event.authEvents
    .map((id) => eventOf(room, id))
    .find((cited) => cited.type === 'm.room.power_levels' && cited.stateKey === '');
}

function byTime(a: AuthEvent<string>, b: AuthEvent<string>): number {
  return a.originServerTs - b.originServerTs || Buffer.compare(Buffer.from(a.eventId), Buffer.from(b.eventId));
}

function reverseTopological(room: NaiveRoom, ids: ReadonlySet<string>): string[] {
  const level = (event: AuthEvent<string>) =>
    new PowerLevels(room.rules, eventOf(room, room.createId), powerLevelsCited(room, event)).userLevel(event.sender);
  const isSmaller = (a: AuthEvent<string>, b: AuthEvent<string>) =>
    level(a) === level(b) ? byTime(a, b) < 0 : level(a) > level(b);
  const left = new Set(ids);
  const order: string[] = [];
  while (left.size > 0) {
    const ready = [...left].filter((id) => !authEventsOf(room, id).some((cited) => left.has(cited)));
    const smallest = ready.map((id) => eventOf(room, id)).reduce((a, b) => (isSmaller(b, a) ? b : a));
    order.push(smallest.id);
    left.delete(smallest.id);
  }
  return order;
}

function mainlineSorted(room: NaiveRoom, powerLevels: string | undefined, ids: readonly string[]): string[] {
  const mainline: string[] = [];
  for (let p = powerLevels === undefined ? undefined : eventOf(room, powerLevels); p; p = powerLevelsCited(room, p)) {
    mainline.push(p.id);
  }
  const position = (event: AuthEvent<string>): number => {
    for (let e = powerLevelsCited(room, event); e; e = powerLevelsCited(room, e)) {
      const i = mainline.indexOf(e.id);
      if (i >= 0) return i;
    }
    return 1e9;
  };
  return ids
    .map((id) => eventOf(room, id))
    .sort((a, b) => position(b) - position(a) || byTime(a, b))
    .map((event) => event.id);
}

function iterate(room: NaiveRoom, start: NaiveState, ids: readonly string[]): NaiveState {
  const state = new Map(start);
  for (const id of ids) {
    const event = eventOf(room, id);
    if (event.stateKey === undefined) continue;
    const lookup = (type: string, stateKey: string) => {
      const inState = state.get(keyOf(type, stateKey));
      const cited = authEventsOf(room, id).map((each) => eventOf(room, each));
      return [...(inState === undefined ? [] : [eventOf(room, inState)]), ...cited].find(
        (each) => each.type === type && each.stateKey === stateKey && !each.rejected,
      );
    };
    if (checkAuth(room.rules, event, lookup, goodSignatures).allowed) state.set(keyOf(event.type, event.stateKey), id);
  }
  return state;
}

function naiveV1(room: NaiveRoom, sets: readonly NaiveState[]): NaiveState {
  const resolved = new Map<string, string>();
  const conflicts = new Map<string, AuthEvent<string>[]>();
  for (const key of new Set(sets.flatMap((set) => [...set.keys()]))) {
    const ids = [...new Set(sets.map((set) => set.get(key)).filter((id) => id !== undefined))];
    const [first] = ids;
    if (ids.length === 1 && first !== undefined) resolved.set(key, first);
    else
      conflicts.set(
        key,
        ids.map((id) => eventOf(room, id)),
      );
  }
  const lookupIn = (state: NaiveState) => (type: string, stateKey: string) => {
    const id = state.get(keyOf(type, stateKey));
    return id === undefined ? undefined : eventOf(room, id);
  };
  for (const wanted of ['m.room.power_levels', 'm.room.join_rules', 'm.room.member']) {
    const before = new Map(resolved);
    for (const [key, events] of conflicts) {
      const [type, stateKey] = JSON.parse(key) as [string, string];
      if (type !== wanted || (type === 'm.room.power_levels' && stateKey !== '')) continue;
      conflicts.delete(key);
      const [first, ...others] = events.sort(
        (a, b) => a.depth - b.depth || (sha1Hex(a.eventId) > sha1Hex(b.eventId) ? -1 : 1),
      );
      if (!first) continue;
      resolved.set(key, first.id);
      for (const event of others) {
        const state = new Map(before).set(key, resolved.get(key) ?? first.id);
        if (!checkAuth(room.rules, event, lookupIn(state), goodSignatures).allowed) break;
        resolved.set(key, event.id);
      }
    }
  }
  const before = new Map(resolved);
  for (const [key, events] of conflicts) {
    events.sort((a, b) => b.depth - a.depth || (sha1Hex(a.eventId) < sha1Hex(b.eventId) ? -1 : 1));
    const passing = events.find((event) => checkAuth(room.rules, event, lookupIn(before), goodSignatures).allowed);
    const winner = passing ?? events.at(-1);
    if (winner) resolved.set(key, winner.id);
  }
  return resolved;
}
