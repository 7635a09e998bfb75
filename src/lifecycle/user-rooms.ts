import { MatrixError } from '../protocol/errors.ts';
import { asDeviceId } from '../protocol/ids/key-id.ts';
import type { RoomId, UserId } from '../protocol/ids/types.ts';
import type { Memberships } from '../rooms/membership/membership.ts';
import type { Sending } from '../rooms/send/send.ts';
import { memberships } from '../store/events/membership.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { UserNid } from '../store/nids.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';
import { noDevice } from '../store/users/devices.ts';
import type { Requester } from '../users/login/requester.ts';
import type { Log } from '../util/log.ts';

/** What becomes of a user's rooms when something happens to the account. */
export interface MembershipPort {
  /** Leaves every room, rejects every invite, takes back every knock. */
  leaveAll(user: UserNid): Promise<void>;
  /** Has the user's member events carry the name and picture of the profile as it is now. */
  copyProfile(user: UserNid): Promise<void>;
}

export interface UserRoomsUses {
  readonly memberships: Memberships;
  readonly sending: Sending;
  readonly roomState: RoomStateStore;
  readonly interning: Interning;
  readonly log: Log;
}

/** So many at a time share a commit, and let other work through between them. */
const atOnce = 16;

/** Acts for a user in all rooms at once. A room that refuses is logged and does not hold up the others. */
export class UserRooms implements MembershipPort {
  readonly #uses: UserRoomsUses;

  constructor(uses: UserRoomsUses) {
    this.#uses = uses;
  }

  leaveAll(user: UserNid): Promise<void> {
    const { join, invite, knock } = memberships;
    return this.#each(user, [join, invite, knock], (requester, room) => this.#uses.memberships.leave(requester, room));
  }

  /** Has all our users who are in a room, invited to it or knocking leave it. */
  async leaveRoom(roomId: RoomId): Promise<void> {
    const { interning, roomState, memberships: changes } = this.#uses;
    const room = interning.findRoom(roomId);
    if (room === undefined) return;
    const { join, invite, knock } = memberships;
    const users = roomState
      .localsIn(room)
      .filter(({ membership }) => membership === join || membership === invite || membership === knock);
    for (const { user } of users) {
      const requester = requesterFor(user, interning.userId(user));
      await this.#try(requester, roomId, () => changes.leave(requester, roomId));
    }
  }

  copyProfile(user: UserNid): Promise<void> {
    // The rooms put the profile into every join of their own users.
    return this.#each(user, [memberships.join], async (requester, room) => {
      const content = { membership: 'join' };
      await this.#uses.sending.sendState(requester, room, {
        type: 'm.room.member',
        stateKey: requester.userId,
        content,
      });
    });
  }

  async #each(
    user: UserNid,
    kinds: readonly (typeof memberships)[keyof typeof memberships][],
    act: (requester: Requester, room: RoomId) => Promise<unknown>,
  ): Promise<void> {
    const { roomState, interning } = this.#uses;
    const requester = requesterFor(user, interning.userId(user));
    const rooms = roomState.localRooms(user, [...kinds]).map(({ room }) => room);
    for (let i = 0; i < rooms.length; i += atOnce) {
      await Promise.all(rooms.slice(i, i + atOnce).map((room) => this.#try(requester, interning.roomId(room), act)));
    }
  }

  async #try(
    requester: Requester,
    room: RoomId,
    act: (requester: Requester, room: RoomId) => Promise<unknown>,
  ): Promise<void> {
    try {
      await act(requester, room);
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error;
      this.#uses.log.warn('lifecycle.room_refused', { userId: requester.userId, room, cause: error });
    }
  }
}

function requesterFor(user: UserNid, userId: UserId): Requester {
  return {
    user,
    userId,
    device: noDevice,
    deviceId: asDeviceId('-'),
    admin: false,
    guest: false,
    tokenHash: Buffer.alloc(0),
  };
}
