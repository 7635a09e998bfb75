import { notFound } from '../protocol/errors.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import type { KnownRooms } from '../rooms/known-rooms.ts';
import type { WholeRooms } from '../rooms/partial/whole-rooms.ts';
import type { ServerAccess } from '../rooms/server-access.ts';
import type { RoomCostStore } from '../store/limits/room-costs.ts';
import type { RoomNid } from '../store/nids.ts';
import type { Clock } from '../util/clock.ts';
import type { JsonObject } from '../util/json.ts';
import { isOpenToAll } from './room-access.ts';
import { type FactSources, roomFacts } from './room-facts.ts';

export interface RoomComplexityUses extends FactSources {
  readonly knownRooms: KnownRooms;
  readonly serverAccess: ServerAccess;
  readonly wholeRooms: Pick<WholeRooms, 'isMissing'>;
  readonly roomCosts: Pick<RoomCostStore, 'activity'>;
  readonly clock: Clock;
}

/** Entries of the state that make one unit of complexity, in the one form that servers have agreed on. */
const statesPerUnit = 500;

/** How large a room is, for servers that think of joining it. */
export class RoomComplexity {
  readonly #uses: RoomComplexityUses;

  constructor(uses: RoomComplexityUses) {
    this.#uses = uses;
  }

  /**
   * `v1` is what all servers understand; `hearth` says it in units that people know. Of rooms that anybody may join or
   * read, and of those that the server is in; not while we do not know all members ourselves. 404 M_NOT_FOUND
   */
  answer(server: ServerName, roomId: string): JsonObject {
    const { knownRooms, roomState, serverAccess, wholeRooms } = this.#uses;
    const room = knownRooms.find(roomId);
    if (room === undefined || !roomState.hasLocalJoined(room.nid) || wholeRooms.isMissing(room.nid)) throw notRoom();
    const info = roomState.info(room.nid);
    const facts = roomFacts(this.#uses, room.nid);
    if (info === undefined || facts === undefined || !serverAccess.aclAllows(room.nid, server)) throw notRoom();
    if (!isOpenToAll(room, facts) && !serverAccess.isInRoom(room.nid, server)) throw notRoom();
    return {
      v1: Math.round((info.states / statesPerUnit) * 100) / 100,
      hearth: {
        members: info.joined,
        servers: info.servers,
        state_events: info.states,
        ...this.#traffic(room.nid),
      },
    };
  }

  /** Of the last weeks; nothing where it is too short a time to tell. */
  #traffic(room: RoomNid): JsonObject {
    const { roomCosts, clock } = this.#uses;
    const activity = roomCosts.activity(room);
    const days = activity === undefined ? 0 : (clock.now() - activity.since) / day;
    return activity === undefined || days < 1 ? {} : { messages_per_day: Math.round(activity.events / days) };
  }
}

const day = 24 * 60 * 60_000;

const notRoom = () => notFound('There is no such room for your server');
