import type { EventId, ServerName } from '../../protocol/ids/types.ts';
import type { Clock } from '../../util/clock.ts';
import type { AuthJudge, VersionedRoom } from '../receive/auth-judge.ts';
import type { VerifiedEvent } from '../receive/verify.ts';
import type { Collection } from './collection.ts';
import { Patience } from './patience.ts';
import type { RemoteHistory } from './remote-history.ts';

/** Servers asked for one missing auth event. */
const maxServers = 3;
/** Steps from an event to the auth events of its auth events; real ones are known after one or two. */
const maxRounds = 12;
/** Auth events asked for one by one in a round; for more of them a whole chain is cheaper. */
const maxSingle = 8;
/** Auth events fetched for one page of history. */
const maxEvents = 1000;
/** Milliseconds after which what has come has to do. */
const patience = 15_000;

/** Finds the auth events of events that are to be stored. */
export class AuthCompletion {
  readonly #remote: RemoteHistory;
  readonly #judge: AuthJudge;
  readonly #clock: Clock;

  constructor(uses: { readonly remote: RemoteHistory; readonly judge: AuthJudge; readonly clock: Clock }) {
    this.#clock = uses.clock;
    this.#remote = uses.remote;
    this.#judge = uses.judge;
  }

  /** The events with those auth events, at any distance, that are not stored; as far as they can be had. */
  async complete(
    room: VersionedRoom,
    events: readonly VerifiedEvent[],
    collection: Collection,
    servers: readonly ServerName[],
  ): Promise<VerifiedEvent[]> {
    const wait = new Patience(this.#clock, patience);
    const all = new Map(events.map((event) => [event.eventId, event]));
    let fresh: readonly VerifiedEvent[] = events;
    for (let round = 0; fresh.length > 0 && round < maxRounds && all.size - events.length < maxEvents; round++) {
      const needed = this.#needed(room, fresh, all);
      await this.#fetch(room, needed, collection, { servers, wait });
      fresh = [...needed.keys()].map((id) => collection.events.get(id)?.event).filter((event) => event !== undefined);
      for (const event of fresh) all.set(event.eventId, event);
    }
    return [...all.values()];
  }

  /** What is cited and neither stored nor among them, each with an event that cites it. */
  #needed(
    room: VersionedRoom,
    events: readonly VerifiedEvent[],
    all: ReadonlyMap<EventId, VerifiedEvent>,
  ): Map<EventId, VerifiedEvent> {
    const needed = new Map<EventId, VerifiedEvent>();
    for (const event of events) {
      for (const id of this.#judge.missing(room, event)) if (!all.has(id)) needed.set(id, event);
    }
    return needed;
  }

  async #fetch(
    room: VersionedRoom,
    needed: ReadonlyMap<EventId, VerifiedEvent>,
    collection: Collection,
    { servers, wait }: { readonly servers: readonly ServerName[]; readonly wait: Patience },
  ): Promise<void> {
    const isThere = (id: EventId) => collection.events.get(id)?.event !== undefined;
    const absent = () => [...needed].filter(([id]) => !isThere(id));
    for (const server of servers.slice(0, maxServers)) {
      const [first] = absent();
      if (first === undefined || wait.isOver) return;
      if (absent().length > maxSingle) {
        await collection.take(await this.#remote.authChain(server, room.roomId, first[1].eventId), server);
      }
      for (const [id] of absent().slice(0, maxSingle)) {
        if (wait.isOver) return;
        const event = await this.#remote.event(server, id);
        if (event !== undefined) await collection.take([event], server);
      }
    }
  }
}
