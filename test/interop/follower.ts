import type { Person } from '../support/clients/person.ts';
import type { RoomEvent } from './shared-room.ts';

export interface SyncRoom {
  readonly timeline?: { readonly events: readonly RoomEvent[]; readonly limited?: boolean };
  readonly state?: { readonly events: readonly RoomEvent[] };
  readonly ephemeral?: { readonly events: readonly RoomEvent[] };
  readonly invite_state?: { readonly events: readonly RoomEvent[] };
  readonly knock_state?: { readonly events: readonly RoomEvent[] };
}

export interface SyncAnswer {
  readonly next_batch: string;
  readonly rooms?: Partial<Record<'join' | 'invite' | 'knock' | 'leave', Record<string, SyncRoom>>>;
  readonly presence?: { readonly events: readonly RoomEvent[] };
  readonly to_device?: { readonly events: readonly RoomEvent[] };
  readonly device_lists?: { readonly changed?: readonly string[]; readonly left?: readonly string[] };
}

const patience = 15_000;

/** Somebody's client: it goes on from sync to sync. */
export class Follower {
  readonly person: Person;
  #since: string;

  private constructor(person: Person, since: string) {
    this.person = person;
    this.#since = since;
  }

  /** From now on. */
  static async of(person: Person): Promise<Follower> {
    // Synapse remembers the answer to a first /sync for minutes; the filter makes it another question each time.
    const filter = JSON.stringify({ room: { timeline: { limit: 1, not_types: [`x.${performance.now()}`] } } });
    const answer = await Follower.#ask(person, `timeout=0&filter=${encodeURIComponent(filter)}`);
    return new Follower(person, answer.next_batch);
  }

  /** Follows until `look` finds something. */
  async until<T>(what: string, look: (answer: SyncAnswer) => T | undefined): Promise<T> {
    const end = performance.now() + patience;
    while (performance.now() < end) {
      const answer = await Follower.#ask(this.person, `timeout=1000&since=${this.#since}`);
      this.#since = answer.next_batch;
      const found = look(answer);
      if (found !== undefined) return found;
    }
    throw new Error(`${this.person.name} never hears of ${what}`);
  }

  static async #ask(person: Person, query: string): Promise<SyncAnswer> {
    const answer = await person.sync(query);
    if (answer.status !== 200) throw new Error(`answered ${answer.status}: ${answer.body}`);
    return JSON.parse(answer.body) as SyncAnswer;
  }
}
