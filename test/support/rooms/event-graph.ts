import type { AuthEvent } from '../../../src/protocol/event-auth/types.ts';
import type { RoomVersionRules } from '../../../src/protocol/room-versions.ts';
import { StateMap } from '../../../src/protocol/state-resolution/state-map.ts';
import { resolveStateSets } from '../../../src/protocol/state-resolution/state-sets.ts';
import { goodSignatures } from './auth-event.ts';

/** A room as the events that arrived: states before and after each are resolved as the room version says. */
export class EventGraph {
  readonly #rules: RoomVersionRules;
  readonly #events = new Map<string, AuthEvent<string>>();
  readonly #after = new Map<string, StateMap<string>>();
  readonly #extremities = new Set<string>();

  constructor(rules: RoomVersionRules) {
    this.#rules = rules;
  }

  /** Adds an event behind its prev_events; returns the state before it. */
  add(event: AuthEvent<string>): StateMap<string> {
    this.#events.set(event.id, event);
    const before = this.resolve(event.prevEvents.map((id) => this.stateAfter(id)));
    const after = before.copy();
    if (event.stateKey !== undefined) after.set(event.type, event.stateKey, event.id);
    this.#after.set(event.id, after);
    for (const id of event.prevEvents) this.#extremities.delete(id);
    this.#extremities.add(event.id);
    return before;
  }

  event(id: string): AuthEvent<string> {
    const event = this.#events.get(id);
    if (!event) throw new Error(`no event ${id}`);
    return event;
  }

  stateAfter(id: string): StateMap<string> {
    const state = this.#after.get(id);
    if (!state) throw new Error(`no state after ${id}`);
    return state;
  }

  /** The current state: the resolution over all events that no other follows. */
  current(): StateMap<string> {
    return this.resolve([...this.#extremities].map((id) => this.stateAfter(id)));
  }

  resolve(sets: readonly StateMap<string>[]): StateMap<string> {
    return resolveStateSets(this.#rules, sets, (id) => this.event(id), goodSignatures);
  }
}

/** A state as `type|state_key` to event ID, in one order. */
export function stateRecord(state: StateMap<string>): Record<string, string> {
  const entries = [...state.entries()].map(([type, stateKey, id]) => [`${type}|${stateKey}`, id] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function stateOf(events: Iterable<AuthEvent<string>>): StateMap<string> {
  const state = new StateMap<string>();
  for (const event of events) if (event.stateKey !== undefined) state.set(event.type, event.stateKey, event.id);
  return state;
}
