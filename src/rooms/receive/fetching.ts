import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EventId, ServerName } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Interning } from '../../store/interning/interning.ts';
import { isOfRoom, type VersionedRoom } from './auth-judge.ts';
import type { Effort } from './effort.ts';
import type { Outliers } from './outliers.ts';
import type { RoomQuestions } from './room-questions.ts';
import { byAuth } from './topology.ts';
import type { EventVerifier, VerifiedEvent } from './verify.ts';

export interface FetchingUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly events: EventStore;
  readonly outliers: Outliers;
  readonly verifier: EventVerifier;
  readonly questions: RoomQuestions;
}

/** Verified at once. */
const sliceSize = 50;
/** Written at once: some milliseconds of the main thread. */
const writtenTogether = 20;
/** Auth events that are asked for one by one: for more of them a whole chain is cheaper. */
const mostSingle = 8;
/** Single events asked for at once. */
const atOnce = 4;
/** Auth events of fetched auth events are fetched too, so many times. */
const deepest = 20;

/** Gets events that others cite, and keeps them as outliers. Whatever comes is verified and authorised. */
export class Fetching {
  readonly #uses: FetchingUses;

  constructor(uses: FetchingUses) {
    this.#uses = uses;
  }

  /** Which of the events are stored neither in their place nor as outliers. */
  unknown(ids: Iterable<EventId>): EventId[] {
    const { interning, events } = this.#uses;
    return [...new Set(ids)].filter((id) => {
      const nid = interning.findEvent(id);
      return nid === undefined || events.row(nid) === undefined;
    });
  }

  /** What of a server's answer is right: verified, of the room, each once. */
  async verified(room: VersionedRoom, values: readonly unknown[], effort: Effort): Promise<VerifiedEvent[]> {
    const found = new Map<EventId, VerifiedEvent>();
    for (let at = 0; at < values.length && !effort.isOver; at += sliceSize) {
      const slice = values.slice(at, at + sliceSize);
      const { events } = await this.#uses.verifier.verify(slice, room.rules, effort.signal);
      for (const event of events) {
        effort.spend(event.canonical.length);
        if (isOfRoom(event, room)) found.set(event.eventId, event);
      }
    }
    return [...found.values()];
  }

  /** Gets the auth events that an event lacks, with all that those lack. True if something came that was not here. */
  async authEvents(
    room: VersionedRoom,
    of: VerifiedEvent,
    lacking: readonly EventId[],
    effort: Effort,
  ): Promise<boolean> {
    const [first] = effort.servers;
    const chain = first === undefined ? [] : await this.#authChain(first, room, of, effort);
    const got = await this.#keep(room, chain);
    const left = this.unknown(lacking);
    if (left.length === 0) return true;
    return (await this.outliers(room, left, effort)) || got;
  }

  /**
   * Keeps events that another server gave as outliers, with the auth events that they lack, which others may have given
   * already. What lacks some that nobody gives is left out, and answered.
   */
  async withAuthEvents(
    room: VersionedRoom,
    events: readonly VerifiedEvent[],
    effort: Effort,
    given: (id: EventId) => VerifiedEvent | undefined = () => undefined,
  ): Promise<EventId[]> {
    const collected = new Map(events.map((event) => [event.eventId, event]));
    const lacked = () => this.unknown([...collected.values()].flatMap(citedBy)).filter((id) => !collected.has(id));
    for (let wanted = lacked(), left = deepest; wanted.length > 0 && left > 0; wanted = lacked(), left--) {
      const known = wanted.map(given).filter((event) => event !== undefined);
      if (known.length === 0) break;
      for (const event of known) collected.set(event.eventId, event);
    }
    for (const server of effort.servers) {
      const wanted = lacked();
      if (wanted.length <= mostSingle || effort.isOver) break;
      const citing = [...collected.values()].find((event) => citedBy(event).some((id) => wanted.includes(id)));
      if (citing === undefined) break;
      for (const event of await this.#authChain(server, room, citing, effort)) collected.set(event.eventId, event);
    }
    await this.#gather(room, collected, lacked(), effort);
    await this.#keep(room, [...collected.values()]);
    return this.unknown(events.map(({ eventId }) => eventId));
  }

  /**
   * Gets events one by one, from whoever gives them, and the auth events that they lack. What no server has, or has
   * only with wrong signatures, is left out. True if something came.
   */
  async outliers(room: VersionedRoom, ids: readonly EventId[], effort: Effort): Promise<boolean> {
    const collected = new Map<EventId, VerifiedEvent>();
    await this.#gather(room, collected, this.unknown(ids), effort);
    const got = await this.#keep(room, [...collected.values()]);
    for (const event of byAuth([...collected.values()])) {
      const lacking = this.unknown(citedBy(event));
      if (lacking.length > 0 && lacking.every((id) => effort.hopeless.has(id))) effort.hopeless.add(event.eventId);
    }
    return got;
  }

  /** Adds events, the auth events that they lack, and so on. */
  async #gather(
    room: VersionedRoom,
    collected: Map<EventId, VerifiedEvent>,
    ids: readonly EventId[],
    effort: Effort,
  ): Promise<void> {
    const asked = new Set<EventId>();
    let wanted = ids;
    for (let depth = 0; wanted.length > 0 && depth < deepest && !effort.isOver; depth++) {
      for (const id of wanted) asked.add(id);
      const events = await this.#each(room, wanted, effort);
      for (const event of events) {
        collected.set(event.eventId, event);
        effort.hopeless.delete(event.eventId);
      }
      const cited = events.flatMap((event) => citedBy(event));
      wanted = this.unknown(cited.filter((id) => !asked.has(id) && !collected.has(id)));
    }
  }

  /** The event itself, from whoever has it. */
  async one(room: VersionedRoom, id: EventId, effort: Effort): Promise<VerifiedEvent | undefined> {
    for (const server of effort.servers) {
      if (effort.isOver) return undefined;
      const value = await this.#uses.questions.event(server, id, effort.signal);
      if (value === undefined) continue;
      const [event] = await this.verified(room, [value], effort);
      if (event?.eventId === id) return event;
      if (!effort.isOver) effort.hopeless.add(id);
    }
    return undefined;
  }

  async #authChain(
    server: ServerName,
    room: VersionedRoom,
    { eventId }: VerifiedEvent,
    effort: Effort,
  ): Promise<VerifiedEvent[]> {
    if (effort.isOver) return [];
    const { questions } = this.#uses;
    const values = await questions.eventAuth(server, room.roomId, eventId, effort.eventsLeft, effort.signal);
    return values === undefined ? [] : this.verified(room, values, effort);
  }

  async #each(room: VersionedRoom, ids: readonly EventId[], effort: Effort): Promise<VerifiedEvent[]> {
    const events: VerifiedEvent[] = [];
    for (let at = 0; at < ids.length && !effort.isOver; at += atOnce) {
      const some = await Promise.all(ids.slice(at, at + atOnce).map((id) => this.one(room, id, effort)));
      for (const event of some) if (event !== undefined) events.push(event);
    }
    return events;
  }

  /** Writes what can be authorised, in slices. */
  async #keep(room: VersionedRoom, events: readonly VerifiedEvent[]): Promise<boolean> {
    const { db, outliers } = this.#uses;
    const ordered = byAuth(events);
    let added = 0;
    for (let at = 0; at < ordered.length; at += writtenTogether) {
      if (at > 0) await nextTurn();
      const slice = ordered.slice(at, at + writtenTogether);
      const unknown = this.unknown(slice.map(({ eventId }) => eventId));
      db.write<void>(() => {
        const result = outliers.add(room, slice);
        added += unknown.filter((id) => result.added.has(id)).length;
      });
    }
    return added > 0;
  }
}

function citedBy({ pdu }: VerifiedEvent): EventId[] {
  return pdu.auth_events.map((ref) => (typeof ref === 'string' ? ref : ref[0]));
}
