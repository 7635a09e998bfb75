import type { RoomId } from '../protocol/ids/types.ts';
import type { PushRules } from '../push/push-rules.ts';
import type { CommittedEvent, EventObserver } from '../rooms/input/observer.ts';
import { currentState, type StateSources } from '../rooms/state/current-state.ts';
import { memberships } from '../store/events/membership.ts';
import { wellKnown } from '../store/interning/well-known.ts';
import type { RoomNid, UserNid } from '../store/nids.ts';
import type { AccountData } from '../users/account-data.ts';
import { isJsonObject, type JsonObject } from '../util/json.ts';

export interface SuccessorRoomsUses extends StateSources {
  readonly accountData: AccountData;
  readonly pushRules: PushRules;
}

/**
 * Who comes into the room that has replaced another finds it as the old one was for them: with its tags, its push rules,
 * and among their direct chats.
 * @see https://spec.matrix.org/v1.19/client-server-api/#room-upgrades
 */
export class SuccessorRooms implements EventObserver {
  readonly follows = { live: [wellKnown.types.member] };
  readonly #uses: SuccessorRoomsUses;

  constructor(uses: SuccessorRoomsUses) {
    this.#uses = uses;
  }

  onEvent({ row, pdu }: CommittedEvent): void {
    if (row.membership !== memberships.join) return;
    const { interning, roomState } = this.#uses;
    const userId = pdu['state_key'];
    const user = typeof userId === 'string' ? interning.findUser(userId) : undefined;
    if (user === undefined) return;
    // Of our own users, and not a change of the name of somebody who is in the room already.
    if (roomState.localMember(user, row.room)?.pos !== row.pos) return;
    const roomId = interning.roomId(row.room);
    const predecessor = this.#predecessor(row.room, roomId);
    if (predecessor === undefined || roomState.localMember(user, predecessor.nid) === undefined) return;
    this.#copyTags(user, predecessor.nid, row.room);
    this.#uses.pushRules.copyRoom(user, predecessor.roomId, roomId);
    this.#copyDirect(user, predecessor.roomId, roomId);
  }

  /** The old room, if it says so too: anybody can make a room that claims to replace another. */
  #predecessor(room: RoomNid, roomId: RoomId): { readonly nid: RoomNid; readonly roomId: RoomId } | undefined {
    const { interning } = this.#uses;
    const claimed = currentState(this.#uses, room)('m.room.create', '')?.content['predecessor'];
    const oldId = isJsonObject(claimed) ? claimed['room_id'] : undefined;
    const nid = typeof oldId === 'string' ? interning.findRoom(oldId) : undefined;
    if (nid === undefined) return undefined;
    const tombstone = currentState(this.#uses, nid)('m.room.tombstone', '')?.content;
    return tombstone?.['replacement_room'] === roomId ? { nid, roomId: interning.roomId(nid) } : undefined;
  }

  #copyTags(user: UserNid, from: RoomNid, to: RoomNid): void {
    const { accountData } = this.#uses;
    const tags = accountData.ofRoom(user, from, 'm.tag');
    if (tags === undefined || accountData.ofRoom(user, to, 'm.tag') !== undefined) return;
    accountData.put(user, to, 'm.tag', tags);
  }

  #copyDirect(user: UserNid, from: RoomId, to: RoomId): void {
    const { accountData } = this.#uses;
    const direct = accountData.get(user, 'm.direct');
    if (direct === undefined) return;
    const changed: JsonObject = {};
    for (const [person, rooms] of Object.entries(direct)) {
      const gains = Array.isArray(rooms) && rooms.includes(from) && !rooms.includes(to);
      changed[person] = gains ? [...rooms, to] : rooms;
    }
    accountData.set(user, 'm.direct', changed);
  }
}
