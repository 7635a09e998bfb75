import type { PartialState } from '../rooms/partial/partial-state.ts';
import type { EventStore } from '../store/events/event-store.ts';
import { memberships } from '../store/events/membership.ts';
import type { Interning } from '../store/interning/interning.ts';
import { wellKnown } from '../store/interning/well-known.ts';
import type { RoomNid, StateKeyNid, UserNid } from '../store/nids.ts';
import type { RoomInfo } from '../store/state/room-info.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';
import type { StateChange } from '../store/state/state-log.ts';
import { isJsonObject } from '../util/json.ts';

/** As many as the specification asks for. */
const maxHeroes = 5;

/** The summary of a room, and whose member events go with it. */
export interface RoomSummary {
  /** JSON text. */
  readonly text: string;
  readonly heroes: readonly UserNid[];
}

export interface SummaryUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly roomState: RoomStateStore;
  readonly partialState: Pick<PartialState, 'isPartial'>;
}

/** Counts of members, and the people after whom a room without a name can be called. */
export class RoomSummaries {
  readonly #uses: SummaryUses;

  constructor(uses: SummaryUses) {
    this.#uses = uses;
  }

  /** Whether changes of a state may change the summary. */
  concerns(changes: readonly StateChange[]): boolean {
    const { name, canonicalAlias } = wellKnown.stateKeys;
    return changes.some(([key]) => {
      if (key === name || key === canonicalAlias) return true;
      return this.#uses.interning.stateKeyOf(key).typeNid === wellKnown.types.member;
    });
  }

  /** While members are missing, only those of them who are known: `undefined` if there is nothing to say of these. */
  of(info: RoomInfo, user: UserNid): RoomSummary | undefined {
    const heroes = this.#isNamed(info.room) ? undefined : this.#heroes(info.room, user);
    if (this.#uses.partialState.isPartial(info.room)) return this.#ofKnown(heroes ?? []);
    return {
      heroes: heroes ?? [],
      text: JSON.stringify({
        ...(heroes && { 'm.heroes': heroes.map((hero) => this.#uses.interning.userId(hero)) }),
        'm.joined_member_count': info.joined,
        'm.invited_member_count': info.invited,
      }),
    };
  }

  /** Whoever is told no number takes none for granted; the numbers follow when the room is complete. */
  #ofKnown(heroes: readonly UserNid[]): RoomSummary | undefined {
    if (heroes.length === 0) return undefined;
    const names = heroes.map((hero) => this.#uses.interning.userId(hero));
    return { heroes, text: JSON.stringify({ 'm.heroes': names }) };
  }

  #isNamed(room: RoomNid): boolean {
    const { name, canonicalAlias } = wellKnown.stateKeys;
    return this.#says(room, name, 'name') || this.#says(room, canonicalAlias, 'alias');
  }

  #says(room: RoomNid, key: StateKeyNid, field: string): boolean {
    const event = this.#uses.roomState.current(room, key);
    const content = event === undefined ? undefined : this.#uses.events.bare(event)['content'];
    const value = isJsonObject(content) ? content[field] : undefined;
    return typeof value === 'string' && value !== '';
  }

  /** Those who are in the room or invited; if there are none, those who were. In the order in which they became known. */
  #heroes(room: RoomNid, user: UserNid): UserNid[] {
    const { roomState } = this.#uses;
    const others = (codes: readonly (1 | 2 | 4 | 5)[]) =>
      codes
        .flatMap((code) => roomState.firstUsers(room, code))
        .filter((one) => one !== user)
        .slice(0, maxHeroes);
    const present = others([memberships.join, memberships.invite]);
    return present.length > 0 ? present : others([memberships.leave, memberships.ban]);
  }
}
