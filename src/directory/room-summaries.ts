import { notFound } from '../protocol/errors.ts';
import { parseRoomAlias } from '../protocol/ids/room-id.ts';
import type { KnownRooms } from '../rooms/known-rooms.ts';
import { membershipName } from '../store/events/membership.ts';
import type { AliasStore } from '../store/rooms/aliases.ts';
import type { Requester } from '../users/requester.ts';
import type { JsonObject } from '../util/json.ts';
import { isOpenToAll, mayKnow } from './room-access.ts';
import { type FactSources, roomFacts, roomSummary } from './room-facts.ts';

export interface RoomSummariesUses extends FactSources {
  readonly knownRooms: KnownRooms;
  readonly aliases: AliasStore;
}

/** What a room is, for who thinks of joining it. */
export class RoomSummaries {
  readonly #uses: RoomSummariesUses;

  constructor(uses: RoomSummariesUses) {
    this.#uses = uses;
  }

  /** Without a requester, only rooms that anybody may be told of. 404 M_NOT_FOUND */
  get(requester: Requester | undefined, roomIdOrAlias: string): JsonObject {
    const { roomState, knownRooms, interning, aliases } = this.#uses;
    const alias = parseRoomAlias(roomIdOrAlias);
    const named = alias && aliases.find(alias);
    const room = knownRooms.find(named === undefined ? roomIdOrAlias : interning.roomId(named.room));
    const facts = room && roomFacts(this.#uses, room.nid);
    if (room === undefined || facts === undefined) throw notRoom();
    if (requester === undefined) {
      if (!isOpenToAll(room, facts)) throw notRoom();
      return roomSummary(room.roomId, facts);
    }
    if (!mayKnow(this.#uses, room, facts, requester.user)) throw notRoom();
    const member = roomState.member(room.nid, requester.user);
    return {
      ...roomSummary(room.roomId, facts),
      membership: member === undefined ? 'leave' : membershipName(member.membership),
    };
  }
}

const notRoom = () => notFound('There is no such room, or you may not be told of it');
