import type { RemoteFailure } from '../../federation/client.ts';
import type { BuiltEvent } from '../../protocol/events/build.ts';
import { refIds } from '../../protocol/events/pdu.ts';
import { readEvent } from '../../protocol/events/read.ts';
import type { EventId, ServerName } from '../../protocol/ids/types.ts';
import { isOfRoom, type VersionedRoom } from '../receive/auth-judge.ts';
import type { EventVerifier, VerifiedEvent } from '../receive/verify.ts';
import type { HistoricEvent } from './order.ts';
import type { Patience } from './patience.ts';
import type { RemoteHistory } from './remote-history.ts';

/** An event of the past that another server gave; without `event` it is one that cannot be used. */
export interface Collected extends HistoricEvent {
  readonly event?: VerifiedEvent;
}

export interface CollectionUses {
  readonly remote: RemoteHistory;
  readonly verifier: EventVerifier;
}

/** Servers that are asked for one page; those known to be down are not counted. */
const maxServers = 4;
/** Events verified at once: what an answer holds beside them waits as plain objects. */
const sliceSize = 50;

/** One page of history, gathered from other servers until nothing that was asked for is missing. */
export class Collection {
  readonly #uses: CollectionUses;
  readonly #room: VersionedRoom;
  readonly events = new Map<EventId, Collected>();
  /** Signed wrongly, or by nobody whose key can be had; the ID is right. */
  readonly #unusable = new Map<EventId, Collected>();
  /** Who gave something, best first. */
  readonly givers: ServerName[] = [];

  constructor(uses: CollectionUses, room: VersionedRoom) {
    this.#uses = uses;
    this.#room = room;
  }

  /**
   * Asks servers for events and what comes before them. Answers which of those asked for nobody has. What others could
   * not give either is taken without its event, if it is certain what it cites.
   */
  async gather(
    wanted: readonly EventId[],
    servers: readonly ServerName[],
    limit: number,
    wait: Patience,
  ): Promise<EventId[]> {
    let left = [...wanted];
    let asked = 0;
    for (const server of servers) {
      if (asked >= maxServers || left.length === 0 || wait.isOver) break;
      const failure = await this.#ask(server, left, limit);
      if (failure?.kind === 'down' || failure?.kind === 'not-allowed') continue;
      asked++;
      left = wanted.filter((id) => !this.events.has(id));
    }
    for (const id of left) {
      const unusable = this.#unusable.get(id);
      if (unusable !== undefined) this.events.set(id, unusable);
    }
    return left.filter((id) => !this.events.has(id));
  }

  async #ask(server: ServerName, wanted: readonly EventId[], limit: number): Promise<RemoteFailure | undefined> {
    let size = limit;
    let answer = await this.#uses.remote.backfill(server, this.#room.roomId, wanted, size);
    if (!Array.isArray(answer) && answer.kind === 'invalid' && size > smallPage) {
      // Perhaps too large: a few events always fit.
      size = smallPage;
      answer = await this.#uses.remote.backfill(server, this.#room.roomId, wanted, size);
    }
    if (!Array.isArray(answer)) return answer;
    await this.take(answer, server);
    const rest = wanted.filter((id) => !this.events.has(id));
    if (rest.length === 0 || rest.length === wanted.length || answer.length < size) return undefined;
    // The page was too short for all branches.
    const more = await this.#uses.remote.backfill(server, this.#room.roomId, rest, rest.length);
    if (Array.isArray(more)) await this.take(more, server);
    return undefined;
  }

  /** Keeps what is right of what a server gave. */
  async take(values: readonly unknown[], server: ServerName): Promise<void> {
    const { verifier } = this.#uses;
    const before = this.events.size;
    for (let at = 0; at < values.length; at += sliceSize) {
      const slice = values.slice(at, at + sliceSize);
      const { events, problems } = await verifier.verify(slice, this.#room.rules);
      for (const event of events) {
        if (isOfRoom(event, this.#room)) this.events.set(event.eventId, { ...historic(event), event });
      }
      if (problems.length > 0) this.#keepUnusable(slice, new Set(events.map(({ eventId }) => eventId)));
    }
    if (this.events.size > before && !this.givers.includes(server)) this.givers.push(server);
  }

  /** Where the ID is a hash, it says for certain what an event cites, whoever signed it. */
  #keepUnusable(values: readonly unknown[], verified: ReadonlySet<EventId>): void {
    if (this.#room.rules.eventIdFormat === 'v1') return;
    for (const value of values) {
      const read = readEvent(value, this.#room.rules);
      if (!read.ok || verified.has(read.event.eventId) || !isOfRoom(read.event, this.#room)) continue;
      this.#unusable.set(read.event.eventId, historic(read.event));
    }
  }
}

/** So many of the largest events fit into an answer. */
const smallPage = 20;

function historic({ eventId, pdu }: Pick<BuiltEvent, 'eventId' | 'pdu'>): HistoricEvent {
  return { eventId, depth: pdu.depth, prevEvents: [...new Set(refIds(pdu.prev_events))] };
}
