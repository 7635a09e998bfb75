import { forbidden, notFound } from '../protocol/errors.ts';
import { parseRoomId } from '../protocol/ids/room-id.ts';
import type { RoomId } from '../protocol/ids/types.ts';
import { type RoomVersionRules, roomVersionRules } from '../protocol/room-versions.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { RoomNid } from '../store/nids.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';

/** A room that this server holds events of. */
export interface KnownRoom {
  readonly nid: RoomNid;
  readonly roomId: RoomId;
  readonly rules: RoomVersionRules;
}

/** Finds rooms by what stands in a path. */
export class KnownRooms {
  readonly #interning: Interning;
  readonly #roomState: RoomStateStore;
  /** Bounded by how many rooms are entered at a time. */
  readonly #hidden = new Set<RoomNid>();

  constructor(stores: { readonly interning: Interning; readonly roomState: RoomStateStore }) {
    this.#interning = stores.interning;
    this.#roomState = stores.roomState;
  }

  /** Nobody finds the room, whose state is being replaced, until the returned function is called. */
  hide(room: RoomNid): () => void {
    this.#hidden.add(room);
    return () => void this.#hidden.delete(room);
  }

  find(roomId: string): KnownRoom | undefined {
    const id = parseRoomId(roomId);
    const nid = id && this.#interning.findRoom(id);
    const info = nid === undefined || this.#hidden.has(nid) ? undefined : this.#roomState.info(nid);
    if (id === undefined || nid === undefined || info === undefined) return undefined;
    return { nid, roomId: id, rules: this.#rules(info.version) };
  }

  /** 404 M_NOT_FOUND for a room that is not known here. */
  get(roomId: string): KnownRoom {
    const room = this.find(roomId);
    if (room === undefined) throw notFound('This room is not known here');
    return room;
  }

  /** 403 M_FORBIDDEN for a room that is not known: whoever is not in a room is not told whether it exists. */
  getForMember(roomId: string): KnownRoom {
    const room = this.find(roomId);
    if (room === undefined) throw forbidden('You are not in this room');
    return room;
  }

  /** The rules of a room that is known. */
  rulesOf(room: RoomNid): RoomVersionRules {
    const info = this.#roomState.info(room);
    if (info === undefined) throw new Error(`room ${room} has no row`);
    return this.#rules(info.version);
  }

  #rules(version: string): RoomVersionRules {
    const rules = roomVersionRules(version);
    if (rules === undefined) throw new Error(`a room of the unknown version ${version} is stored`);
    return rules;
  }
}
