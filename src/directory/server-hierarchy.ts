import { notFound } from '../protocol/errors.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import type { KnownRoom, KnownRooms } from '../rooms/known-rooms.ts';
import type { WholeRooms } from '../rooms/partial/whole-rooms.ts';
import type { ServerAccess } from '../rooms/server-access.ts';
import type { RoomDirectoryStore } from '../store/directory/rooms.ts';
import type { JsonObject } from '../util/json.ts';
import { isOpenToAll } from './room-access.ts';
import { type FactSources, type RoomFacts, roomFacts, roomSummary } from './room-facts.ts';
import { childId, spaceChildren } from './space-children.ts';

export interface ServerHierarchyUses extends FactSources {
  readonly roomDirectory: RoomDirectoryStore;
  readonly knownRooms: KnownRooms;
  readonly serverAccess: ServerAccess;
  readonly wholeRooms: Pick<WholeRooms, 'isMissing'>;
}

/** Children that are described in one answer, each some reads; what is beyond can be asked for one by one. */
const maxDescribed = 100;

/** What other servers are told of spaces and single rooms. */
export class ServerHierarchy {
  readonly #uses: ServerHierarchyUses;

  constructor(uses: ServerHierarchyUses) {
    this.#uses = uses;
  }

  /**
   * A room, and the children of a space as far as they are known here: those that somebody on the asking server could
   * join or read, and the IDs of those that nobody there could. 404 M_NOT_FOUND unknown here, or nothing for that server.
   * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1hierarchyroomid
   */
  answer(server: ServerName, roomId: string, suggestedOnly: boolean): JsonObject {
    const found = this.#resident(roomId);
    if (found === undefined || !this.#mayKnow(server, found)) throw notFound('There is no such room for your server');
    const { room, facts } = found;
    const childEvents = facts.type === 'm.space' ? spaceChildren(this.#uses, room.nid, suggestedOnly) : [];
    const children: JsonObject[] = [];
    const inaccessible: string[] = [];
    for (const event of childEvents.slice(0, maxDescribed)) {
      const child = this.#resident(childId(event));
      if (child === undefined) continue;
      if (this.#mayKnow(server, child)) children.push(roomSummary(child.room.roomId, child.facts));
      else inaccessible.push(child.room.roomId);
    }
    return {
      room: { ...roomSummary(room.roomId, facts), children_state: childEvents },
      children,
      inaccessible_children: inaccessible,
    };
  }

  /**
   * A room that one of our users is in: of others, what is stored here may be long out of date. While members are missing,
   * other servers know it better.
   */
  #resident(roomId: string): { room: KnownRoom; facts: RoomFacts } | undefined {
    const { knownRooms, roomState, wholeRooms } = this.#uses;
    const room = knownRooms.find(roomId);
    if (room === undefined || !roomState.hasLocalJoined(room.nid) || wholeRooms.isMissing(room.nid)) return undefined;
    const facts = roomFacts(this.#uses, room.nid);
    return facts && { room, facts };
  }

  /** Whether somebody on the server could join the room or read it. */
  #mayKnow(server: ServerName, { room, facts }: { room: KnownRoom; facts: RoomFacts }): boolean {
    const { serverAccess, roomState, interning } = this.#uses;
    if (!serverAccess.aclAllows(room.nid, server)) return false;
    if (isOpenToAll(room, facts) || serverAccess.isInRoom(room.nid, server)) return true;
    const nid = interning.findServer(server);
    if (nid !== undefined && roomState.hasInvited(room.nid, nid)) return true;
    if (!room.rules.restricted) return false;
    return facts.allowedRooms.some((roomId) => {
      const allowed = interning.findRoom(roomId);
      return allowed !== undefined && serverAccess.isInRoom(allowed, server);
    });
  }
}
