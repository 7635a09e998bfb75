import type { EventId, ServerName } from '../../protocol/ids/types.ts';
import type { Extremities } from '../../store/events/extremities.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { StatePoint } from '../../store/nids.ts';
import type { PartialRooms } from '../../store/rooms/partial-rooms.ts';
import type { KnownRoom } from '../known-rooms.ts';
import type { Effort } from './effort.ts';
import type { Lacking } from './fate.ts';
import type { Fetching } from './fetching.ts';
import type { Horizon } from './horizon.ts';
import type { RemoteState } from './remote-state.ts';
import type { RoomQuestions } from './room-questions.ts';
import type { VerifiedEvent } from './verify.ts';

export interface CompletionUses {
  readonly interning: Interning;
  readonly extremities: Extremities;
  readonly questions: RoomQuestions;
  readonly horizon: Horizon;
  readonly fetching: Fetching;
  readonly remoteState: RemoteState;
  readonly partialRooms: Pick<PartialRooms, 'has'>;
}

/** Events between ours and theirs that one call asks for, and how many calls: beyond that there is a gap. */
const betweenAtOnce = 50;
const betweenCalls = 4;
/** Events named in such a call. */
const mostNamed = 20;
/** Missing parents whose state is asked for: an event cites twenty at most, and mostly one. */
const mostStates = 20;

/** Events that are being completed, and what has been found for them. */
export interface Incomplete {
  /** Those to be judged; what is fetched from between is added. */
  readonly events: Map<EventId, VerifiedEvent>;
  readonly statesAfter: Map<EventId, StatePoint>;
}

/** Gets what events lack before they can be judged, a step at a time. */
export class Completion {
  readonly #uses: CompletionUses;

  constructor(uses: CompletionUses) {
    this.#uses = uses;
  }

  /** False if nothing more could be had. */
  async step(
    room: KnownRoom,
    incomplete: Incomplete,
    lacking: ReadonlyMap<EventId, Lacking>,
    effort: Effort,
  ): Promise<boolean> {
    if (effort.isOver) return false;
    if (await this.#authEvents(room, incomplete, lacking, effort)) return true;
    const latest = [...lacking].filter(([, { prevEvents }]) => unmet(prevEvents, incomplete).length > 0);
    if (latest.length === 0) return false;
    const ids = latest.map(([id]) => id);
    if (await this.#between(room, ids, incomplete, effort)) return true;
    // Its whole state is on the way already, and what is told of others could not be compared with it.
    if (this.#uses.partialRooms.has(room.nid)) return false;
    const parents = latest.flatMap(([, { prevEvents }]) => unmet(prevEvents, incomplete));
    return this.#states(room, [...new Set(parents)], incomplete, effort);
  }

  async #authEvents(
    room: KnownRoom,
    { events }: Incomplete,
    lacking: ReadonlyMap<EventId, Lacking>,
    effort: Effort,
  ): Promise<boolean> {
    const { fetching } = this.#uses;
    let got = false;
    for (const [id, { authEvents }] of lacking) {
      const event = events.get(id);
      // What came with an earlier one need not be fetched again, nor what is itself about to be judged.
      const left = fetching.unknown(authEvents).filter((needed) => !events.has(needed));
      if (authEvents.length > 0 && fetching.unknown(authEvents).length === 0) got = true;
      if (event === undefined || left.length === 0) continue;
      if (await fetching.authEvents(room, event, left, effort)) got = true;
    }
    return got;
  }

  /** What lies between the events that are here and those whose parents are not. */
  async #between(
    room: KnownRoom,
    latest: readonly EventId[],
    { events }: Incomplete,
    effort: Effort,
  ): Promise<boolean> {
    if (!effort.mayAskForMissing(betweenCalls)) return false;
    const { questions, fetching, extremities, interning, horizon } = this.#uses;
    const earliest = extremities
      .forward(room.nid)
      .slice(-mostNamed)
      .map((nid) => interning.eventId(nid));
    const minDepth = horizon.depth(room.nid);
    const between = { earliest, latest: latest.slice(0, mostNamed), minDepth, limit: betweenAtOnce };
    for (const server of effort.servers.slice(0, 2)) {
      if (effort.isOver) return false;
      const values = await questions.missingEvents(server, room.roomId, between, effort.signal);
      if (values === undefined) continue;
      const before = events.size;
      for (const event of horizon.news(room.nid, await fetching.verified(room, values, effort))) {
        if (!events.has(event.eventId)) events.set(event.eventId, event);
      }
      if (events.size > before) return true;
    }
    return false;
  }

  async #states(
    room: KnownRoom,
    parents: readonly EventId[],
    { statesAfter }: Incomplete,
    effort: Effort,
  ): Promise<boolean> {
    let got = false;
    for (const parent of parents.slice(0, mostStates)) {
      const point = await this.#uses.remoteState.after(room, parent, effort);
      if (point === undefined) continue;
      statesAfter.set(parent, point);
      got = true;
    }
    return got;
  }
}

/** Parents that neither are about to be judged nor have a state that was told. */
function unmet(prevEvents: readonly EventId[], { events, statesAfter }: Incomplete): EventId[] {
  return prevEvents.filter((id) => !events.has(id) && !statesAfter.has(id));
}

/** The origin first, then those who made the events, then some others in the room. */
export function serversToAsk(
  origin: ServerName,
  makers: Iterable<ServerName>,
  others: Iterable<ServerName>,
  own: ServerName,
): ServerName[] {
  const servers = new Set([origin, ...makers, ...others]);
  servers.delete(own);
  return [...servers].slice(0, 5);
}
