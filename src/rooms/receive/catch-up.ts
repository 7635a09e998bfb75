import type { Extremities } from '../../store/events/extremities.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import type { Clock } from '../../util/clock.ts';
import type { HistoryServers } from '../backfill/history-servers.ts';
import type { KnownRoom } from '../known-rooms.ts';
import { Effort } from './effort.ts';
import type { Receiver } from './receiver.ts';
import type { RoomQuestions } from './room-questions.ts';

export interface CatchUpUses {
  readonly interning: Interning;
  readonly roomState: RoomStateStore;
  readonly extremities: Extremities;
  readonly historyServers: HistoryServers;
  readonly questions: RoomQuestions;
  readonly receiver: Receiver;
  readonly clock: Clock;
}

/** Newest events that are fetched of a room: as many as one event may cite. */
const mostNewest = 20;

/**
 * Learns what has happened in a room that we believe to be in, from a server that was there: for a server that has lost
 * what it knew. What lies between comes as it does for every event whose parents are missing.
 */
export class CatchUp {
  readonly #uses: CatchUpUses;

  constructor(uses: CatchUpUses) {
    this.#uses = uses;
  }

  /** Asks one server after the other until one answers. True if one did, or nobody else is in the room. */
  async room(room: KnownRoom, signal?: AbortSignal): Promise<boolean> {
    const { interning, roomState, extremities, historyServers, questions, receiver, clock } = this.#uses;
    const [member] = roomState.localJoined(room.nid);
    const servers = historyServers.likely(room.nid, extremities.forward(room.nid));
    if (member === undefined || servers.length === 0) return true;
    using effort = new Effort(servers, clock, signal);
    for (const server of servers) {
      const newest = await questions.newest(server, room, interning.userId(member), effort.signal);
      if (newest === undefined) continue;
      const unknown = newest.filter((id) => interning.findEvent(id) === undefined);
      for (const id of unknown.slice(0, mostNewest)) {
        const event = await questions.event(server, id, effort.signal);
        if (event !== undefined) await receiver.receive(server, [event]);
      }
      return true;
    }
    return false;
  }
}
