import type { RemoteDirectory } from '../federation/remote-directory.ts';
import { notFound } from '../protocol/errors.ts';
import { parseRoomAlias, parseRoomId, serverOfAlias } from '../protocol/ids/room-id.ts';
import type { RoomId, ServerName } from '../protocol/ids/types.ts';
import type { KnownRoom, KnownRooms } from '../rooms/known-rooms.ts';
import { membershipName } from '../store/events/membership.ts';
import type { AliasStore } from '../store/rooms/aliases.ts';
import type { Requester } from '../users/login/requester.ts';
import type { JsonObject } from '../util/json.ts';
import type { JoinedCounts } from './joined-counts.ts';
import type { RemoteRoomInfos } from './remote-rooms.ts';
import { isOpenToAll, mayBeTold, mayKnow } from './room-access.ts';
import { type FactSources, roomFacts, roomSummary } from './room-facts.ts';
import { serverNames } from './space-children.ts';
import { isToldToAll } from './told-room.ts';

export interface RoomSummariesUses extends FactSources {
  readonly knownRooms: KnownRooms;
  readonly aliases: AliasStore;
  readonly serverName: ServerName;
  readonly remoteDirectory: Pick<RemoteDirectory, 'resolveAlias'>;
  readonly remoteRooms: RemoteRoomInfos;
  readonly joinedCounts: JoinedCounts;
}

/** Servers that a client may propose. */
const maxVia = 10;

/** A room by its ID, with servers that may know it. */
interface Named {
  readonly roomId: RoomId;
  readonly via: readonly ServerName[];
}

/** What a room is, for who thinks of joining it. */
export class RoomSummaries {
  readonly #uses: RoomSummariesUses;

  constructor(uses: RoomSummariesUses) {
    this.#uses = uses;
  }

  /**
   * A room that nobody here is in is asked for at the servers in `via`, and at those that its alias leads to. Without a
   * requester, only rooms that anybody may be told of. 404 M_NOT_FOUND · 503 M_UNKNOWN its members are not known yet
   */
  async get(requester: Requester | undefined, roomIdOrAlias: string, via: readonly string[]): Promise<JsonObject> {
    const named = await this.#named(roomIdOrAlias);
    if (named === undefined) throw notRoom();
    const room = this.#uses.knownRooms.find(named.roomId);
    if (room !== undefined && this.#uses.roomState.hasLocalJoined(room.nid)) return this.#known(requester, room);
    return this.#told(requester, named.roomId, [...serverNames(via, maxVia), ...named.via]);
  }

  async #named(text: string): Promise<Named | undefined> {
    const { aliases, interning, serverName, remoteDirectory } = this.#uses;
    const alias = parseRoomAlias(text);
    if (alias === undefined) {
      const roomId = parseRoomId(text);
      return roomId && { roomId, via: [] };
    }
    if (serverOfAlias(alias) === serverName) {
      const found = aliases.find(alias);
      return found && { roomId: interning.roomId(found.room), via: [] };
    }
    const resolved = await remoteDirectory.resolveAlias(alias);
    return resolved.ok ? { roomId: resolved.roomId, via: resolved.servers } : undefined;
  }

  async #known(requester: Requester | undefined, room: KnownRoom): Promise<JsonObject> {
    const facts = roomFacts(this.#uses, room.nid);
    if (facts === undefined) throw notRoom();
    const isTold =
      requester === undefined ? isOpenToAll(room, facts) : mayKnow(this.#uses, room, facts, requester.user);
    if (!isTold) throw notRoom();
    const joined = await this.#uses.joinedCounts.of(room);
    return { ...roomSummary(room.roomId, facts, joined), ...this.#membership(requester, room.roomId) };
  }

  async #told(requester: Requester | undefined, roomId: RoomId, via: readonly ServerName[]): Promise<JsonObject> {
    const room = (await this.#uses.remoteRooms.ask(roomId, via))?.room;
    if (room === undefined) throw notRoom();
    const isTold = requester === undefined ? isToldToAll(room) : mayBeTold(this.#uses, room, requester.user);
    if (!isTold) throw notRoom();
    return { ...room.summary, ...this.#membership(requester, roomId) };
  }

  #membership(requester: Requester | undefined, roomId: RoomId): JsonObject {
    if (requester === undefined) return {};
    const { interning, roomState } = this.#uses;
    const nid = interning.findRoom(roomId);
    if (nid === undefined) return { membership: 'leave' };
    const member = roomState.member(nid, requester.user) ?? roomState.localMember(requester.user, nid);
    return { membership: member === undefined ? 'leave' : membershipName(member.membership) };
  }
}

const notRoom = () => notFound('There is no such room, or you may not be told of it');
