import type { EventRow } from '../../store/events/event-row.ts';
import type { RoomNid, StateKeyNid, TypeNid } from '../../store/nids.ts';
import type { CommittedEvent, EventKinds, EventObserver } from './observer.ts';

type Place = 'live' | 'past';

/** Those who follow events. Each is called only for what it wants to know, in the order in which they were added. */
export class EventObservers {
  readonly #all: EventObserver[] = [];
  /** Types that any of them names. */
  readonly #named = new Set<TypeNid>();
  /** By type, place, and whether it is a state event; together for all types that nobody names, so they are few. */
  readonly #lists = new Map<number, readonly EventObserver[]>();

  add(...observers: readonly EventObserver[]): void {
    this.#all.push(...observers);
    this.#lists.clear();
    for (const { follows } of observers) {
      for (const kinds of [follows.live, follows.past]) {
        if (typeof kinds === 'object') for (const type of kinds) this.#named.add(type);
      }
    }
  }

  onEvent(event: CommittedEvent, place: Place): void {
    for (const observer of this.#those(event.row, place)) observer.onEvent(event);
  }

  onTakenOut(event: CommittedEvent): void {
    for (const observer of this.#all) observer.onTakenOut?.(event);
  }

  onRedacted(event: EventRow): void {
    for (const observer of this.#all) observer.onRedacted?.(event);
  }

  onUnredacted(event: CommittedEvent): void {
    for (const observer of this.#all) observer.onUnredacted?.(event);
  }

  onCorrected(room: RoomNid, keys: readonly StateKeyNid[]): void {
    for (const observer of this.#all) observer.onCorrected?.(room, keys);
  }

  #those({ type, stateKey }: EventRow, place: Place): readonly EventObserver[] {
    const isState = stateKey !== null;
    const key = (this.#named.has(type) ? type : 0) * 4 + (place === 'live' ? 2 : 0) + (isState ? 1 : 0);
    const known = this.#lists.get(key);
    if (known !== undefined) return known;
    const list = this.#all.filter(({ follows }) => includes(follows[place], type, isState));
    this.#lists.set(key, list);
    return list;
  }
}

function includes(kinds: EventKinds | undefined, type: TypeNid, isState: boolean): boolean {
  if (kinds === undefined) return false;
  if (kinds === 'all') return true;
  return kinds === 'state' ? isState : kinds.includes(type);
}
