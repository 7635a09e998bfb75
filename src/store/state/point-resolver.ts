import type { AuthEvent, SignatureChecks } from '../../protocol/event-auth/types.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import { resolve } from '../../protocol/state-resolution/resolve.ts';
import { SizedLru } from '../../util/sized-lru.ts';
import type { EventNid, StateKeyNid, StatePoint } from '../nids.ts';
import { type ConflictBounds, ConflictTooLarge } from './conflict-bounds.ts';
import { type Difference, type ResolutionStores, resolutionInput } from './resolution-source.ts';
import type { CurrentChange } from './room-state-store.ts';

/** A state as a point and what is different there. */
export interface ResolvedState {
  readonly base: StatePoint;
  readonly overrides: ReadonlyMap<StateKeyNid, EventNid | 0>;
}

/** What a resolution took. */
export interface ResolutionCost {
  readonly sets: number;
  readonly conflicts: number;
  /** Events of the auth difference, and of the conflicted subgraph where the room version has one. */
  readonly authDifference: number;
  /** Bodies of events that were read. */
  readonly loaded: number;
}

export interface ResolverReaders {
  /** An event as the auth rules read it. */
  readonly fetch: (nid: EventNid) => AuthEvent<EventNid>;
  readonly signatures: SignatureChecks<EventNid>;
}

/** A body takes as long as so many look-ups. */
const readsForBody = 5;
/** Events kept while one conflict is resolved, most of them are asked for several times. */
const keptBytes = 8 * 1024 * 1024;

/** Resolves conflicts between states at points. What is loaded is the conflict and its auth difference, never a state. */
export class PointResolver {
  readonly #stores: ResolutionStores;
  readonly #readers: ResolverReaders;

  constructor(stores: ResolutionStores, readers: ResolverReaders) {
    this.#stores = stores;
    this.#readers = readers;
  }

  /** Equal points count once, however many events lead there. Throws `ConflictTooLarge` for too many. */
  distinct(points: readonly StatePoint[], bounds?: ConflictBounds): StatePoint[] {
    const distinct = new Map<string, StatePoint>();
    for (const point of points) {
      const normal = this.#stores.stateLog.normalise(point);
      distinct.set(`${normal.line}:${normal.pos}`, normal);
      if (distinct.size > (bounds?.sets ?? Number.POSITIVE_INFINITY)) throw new ConflictTooLarge();
    }
    return [...distinct.values()];
  }

  /**
   * The state that those at the distinct points resolve to, relative to one of them. Throws `ConflictTooLarge`. `told`
   * hears what it took, unless there was no conflict.
   */
  resolve(
    rules: RoomVersionRules,
    points: readonly StatePoint[],
    bounds?: ConflictBounds,
    told?: (cost: ResolutionCost) => void,
  ): ResolvedState {
    const [first] = points;
    if (first === undefined) throw new Error('there is no state to resolve');
    const unchanged = { base: first, overrides: new Map() };
    if (points.length === 1) return unchanged;
    const difference = this.#stores.stateLog.difference(points, bounds?.changes);
    if (difference.size === 0) return unchanged;
    if (difference.size > (bounds?.conflicts ?? Number.POSITIVE_INFINITY)) throw new ConflictTooLarge();
    return nearest(points, difference, this.#winners(rules, points, difference, bounds, told));
  }

  #winners(
    rules: RoomVersionRules,
    points: readonly StatePoint[],
    difference: Difference,
    bounds: ConflictBounds | undefined,
    told: ((cost: ResolutionCost) => void) | undefined,
  ): Map<StateKeyNid, EventNid | 0> {
    const { interning } = this.#stores;
    const events = new LoadedEvents(this.#readers.fetch, new Allowance(bounds?.reads));
    const source = resolutionInput(
      this.#stores,
      { fetch: (nid) => events.get(nid), signatures: this.#readers.signatures, asked: () => events.allowance.spend(1) },
      points,
      difference,
    );
    let authDifference = 0;
    const input = { ...source, onAuthDifference: (count: number) => void (authDifference = count) };
    const winners = new Map<StateKeyNid, EventNid | 0>();
    for (const { type, stateKey, winner } of resolve(rules, input)) {
      const key = interning.findStateKey(type, stateKey);
      if (key !== undefined) winners.set(key, winner ?? 0);
    }
    told?.({ sets: points.length, conflicts: difference.size, authDifference, loaded: events.loaded });
    return winners;
  }

  /** What has to change in the state at `from` to make it the resolved one. Throws `ConflictTooLarge`. */
  changes({ base, overrides }: ResolvedState, from: StatePoint, bounds?: ConflictBounds): CurrentChange[] {
    const { stateLog } = this.#stores;
    const difference = stateLog.difference([base, from], bounds?.changes);
    const changes: CurrentChange[] = [];
    for (const [key, [atBase, atFrom]] of difference) {
      const event = overrides.get(key) ?? atBase ?? 0;
      if (event !== (atFrom ?? 0)) changes.push({ key, event });
    }
    for (const [key, event] of overrides) {
      if (!difference.has(key) && event !== (stateLog.at(from, key) ?? 0)) changes.push({ key, event });
    }
    return changes;
  }
}

class Allowance {
  #left: number;

  constructor(reads = Number.POSITIVE_INFINITY) {
    this.#left = reads;
  }

  spend(reads: number): void {
    this.#left -= reads;
    if (this.#left < 0) throw new ConflictTooLarge();
  }
}

/** Events of one conflict, without what no auth rule looks at: contents may be of any size. */
class LoadedEvents {
  readonly #fetch: ResolverReaders['fetch'];
  readonly #kept = new SizedLru<EventNid, AuthEvent<EventNid>>(keptBytes, weightOf);
  readonly allowance: Allowance;
  loaded = 0;

  constructor(fetch: ResolverReaders['fetch'], allowance: Allowance) {
    this.#fetch = fetch;
    this.allowance = allowance;
  }

  get(nid: EventNid): AuthEvent<EventNid> {
    const kept = this.#kept.get(nid);
    if (kept !== undefined) return kept;
    this.allowance.spend(readsForBody);
    this.loaded++;
    const event = forRules(this.#fetch(nid));
    this.#kept.set(nid, event);
    return event;
  }
}

const wholly = new Set(['m.room.create', 'm.room.power_levels', 'm.room.join_rules', 'm.room.third_party_invite']);
const ofMembers = ['membership', 'third_party_invite', 'join_authorised_via_users_server'];

function forRules(event: AuthEvent<EventNid>): AuthEvent<EventNid> {
  if (wholly.has(event.type)) return event;
  if (event.type !== 'm.room.member') return { ...event, content: {} };
  const kept = Object.entries(event.content).filter(([key]) => ofMembers.includes(key));
  return { ...event, content: Object.fromEntries(kept) };
}

/** Bytes, roughly: what is large are the lists of power levels. */
function weightOf({ type, content, authEvents, prevEvents }: AuthEvent<EventNid>): number {
  const users = type === 'm.room.power_levels' ? Object.keys(content['users'] ?? {}).length : 0;
  return 800 + 120 * users + 8 * (authEvents.length + prevEvents.length);
}

/** The resolved state relative to the point that is closest to it. */
function nearest(
  points: readonly StatePoint[],
  difference: Difference,
  winners: ReadonlyMap<StateKeyNid, EventNid | 0>,
): ResolvedState {
  let best = 0;
  let fewest = Number.POSITIVE_INFINITY;
  // A key in which all sets agreed is seldom resolved to something else, and then it differs from all of them.
  const isOther = (index: number, key: StateKeyNid, winner: EventNid | 0): boolean => {
    const bySet = difference.get(key);
    return bySet === undefined || (bySet[index] ?? 0) !== winner;
  };
  for (const index of points.keys()) {
    let others = 0;
    for (const [key, winner] of winners) if (isOther(index, key, winner)) others++;
    if (others < fewest) [best, fewest] = [index, others];
  }
  const base = points[best];
  if (base === undefined) throw new Error('there is no state to resolve');
  return { base, overrides: new Map([...winners].filter(([key, winner]) => isOther(best, key, winner))) };
}
