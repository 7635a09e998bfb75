import { forbidden, invalidParam, MatrixError, notFound } from '../protocol/errors.ts';
import { parseRoomAlias } from '../protocol/ids/room-id.ts';
import type { RoomId, UserId } from '../protocol/ids/types.ts';
import { parseUserId } from '../protocol/ids/user-id.ts';
import type { Database } from '../store/db.ts';
import { type MembershipName, membershipName, memberships } from '../store/events/membership.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';
import type { Streams } from '../streams/streams.ts';
import type { Requester } from '../users/requester.ts';
import type { JsonObject } from '../util/json.ts';
import type { Aliases } from './aliases.ts';
import type { KnownRoom, KnownRooms } from './known-rooms.ts';
import type { Sending } from './send.ts';

export interface MembershipUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly roomState: RoomStateStore;
  readonly streams: Streams;
  readonly rooms: KnownRooms;
  readonly sending: Sending;
  readonly aliases: Aliases;
}

type WithReason = { readonly reason?: string | undefined };

/** Who is in which room. Every change is a member event; the auth rules have the last word. */
export class Memberships {
  readonly #uses: MembershipUses;

  constructor(uses: MembershipUses) {
    this.#uses = uses;
  }

  /**
   * Lets the requester into a room named by ID or alias. Whoever is in it already stays in it.
   * 404 M_NOT_FOUND unknown room or alias · 403 M_FORBIDDEN, M_GUEST_ACCESS_FORBIDDEN
   */
  async join(requester: Requester, roomIdOrAlias: string, options: WithReason = {}): Promise<RoomId> {
    const room = this.#resolve(roomIdOrAlias);
    await this.#uses.db.durable<void>(() => {
      if (this.#of(room, requester.userId) !== 'join') this.#set(requester, room, requester.userId, 'join', options);
    });
    return room.roomId;
  }

  /** Asks to be let in. 404 M_NOT_FOUND · 403 M_FORBIDDEN where the join rules do not allow it */
  async knock(requester: Requester, roomIdOrAlias: string, options: WithReason = {}): Promise<RoomId> {
    const room = this.#resolve(roomIdOrAlias);
    await this.#uses.db.durable<void>(() => this.#set(requester, room, requester.userId, 'knock', options));
    return room.roomId;
  }

  /**
   * 400 M_INVALID_PARAM no user ID · 403 M_FORBIDDEN, also for users of other servers · 403 M_INVITE_BLOCKED
   * · 404 M_NOT_FOUND no such user
   */
  async invite(requester: Requester, roomId: string, userId: string, options: WithReason = {}): Promise<void> {
    const room = this.#uses.rooms.getForMember(roomId);
    const target = targetUser(userId);
    await this.#uses.db.durable<void>(() => this.#set(requester, room, target, 'invite', options));
  }

  /**
   * Leaves a room, rejects an invite or takes back a knock; leaving again changes nothing.
   * 404 M_NOT_FOUND unknown room · 403 M_FORBIDDEN banned, or never had to do with the room
   */
  async leave(requester: Requester, roomId: string, options: WithReason = {}): Promise<void> {
    const room = this.#uses.rooms.get(roomId);
    await this.#uses.db.durable<void>(() => {
      const present = this.#of(room, requester.userId);
      if (present === undefined) throw forbidden('You are not in this room');
      if (present === 'ban') throw forbidden('You are banned from this room');
      if (present !== 'leave') this.#set(requester, room, requester.userId, 'leave', options);
    });
  }

  /** Removes somebody who is in the room, invited or knocking. 403 M_FORBIDDEN */
  async kick(requester: Requester, roomId: string, userId: string, options: WithReason = {}): Promise<void> {
    const room = this.#uses.rooms.getForMember(roomId);
    const target = targetUser(userId);
    await this.#uses.db.durable<void>(() => {
      this.#requireJoined(requester, room);
      const present = this.#of(room, target);
      if (present !== 'join' && present !== 'invite' && present !== 'knock') {
        throw forbidden('This user is not in the room');
      }
      this.#set(requester, room, target, 'leave', options);
    });
  }

  /** Keeps somebody out, wherever the user is now. 403 M_FORBIDDEN */
  async ban(requester: Requester, roomId: string, userId: string, options: WithReason = {}): Promise<void> {
    const room = this.#uses.rooms.getForMember(roomId);
    const target = targetUser(userId);
    await this.#uses.db.durable<void>(() => this.#set(requester, room, target, 'ban', options));
  }

  /** 403 M_BAD_STATE the user is not banned · 403 M_FORBIDDEN */
  async unban(requester: Requester, roomId: string, userId: string, options: WithReason = {}): Promise<void> {
    const room = this.#uses.rooms.getForMember(roomId);
    const target = targetUser(userId);
    await this.#uses.db.durable<void>(() => {
      this.#requireJoined(requester, room);
      if (this.#of(room, target) !== 'ban') throw new MatrixError(403, 'M_BAD_STATE', 'This user is not banned');
      this.#set(requester, room, target, 'leave', options);
    });
  }

  /**
   * Takes a room that the requester has left out of sight. 400 M_UNKNOWN still in it or invited · 404 M_NOT_FOUND never
   * had to do with it
   */
  async forget(requester: Requester, roomId: string): Promise<void> {
    const { db, interning, roomState, streams } = this.#uses;
    const nid = interning.findRoom(roomId);
    const present = nid && roomState.localMember(requester.user, nid);
    if (nid === undefined || present === undefined) throw notFound('You have not been in this room');
    await db.durable<void>(() => {
      if (!roomState.forget(requester.user, nid)) {
        throw new MatrixError(400, 'M_UNKNOWN', 'Leave the room before forgetting it');
      }
      streams.touchUser(requester.user);
    });
  }

  /** The rooms that the requester is in. */
  joinedRooms({ user }: Requester): RoomId[] {
    const { interning, roomState } = this.#uses;
    return roomState.localRooms(user, [memberships.join]).map(({ room }) => interning.roomId(room));
  }

  #resolve(roomIdOrAlias: string): KnownRoom {
    if (!roomIdOrAlias.startsWith('#')) {
      if (!roomIdOrAlias.startsWith('!')) throw invalidParam('This is neither a room ID nor a room alias');
      return this.#uses.rooms.get(roomIdOrAlias);
    }
    const alias = parseRoomAlias(roomIdOrAlias);
    if (alias === undefined) throw invalidParam('This is not a room alias');
    return this.#uses.rooms.get(this.#uses.aliases.resolve(alias).roomId);
  }

  #of(room: KnownRoom, userId: UserId): MembershipName | undefined {
    const user = this.#uses.interning.findUser(userId);
    const member = user && this.#uses.roomState.member(room.nid, user);
    return member && membershipName(member.membership);
  }

  #requireJoined(requester: Requester, room: KnownRoom): void {
    if (this.#of(room, requester.userId) !== 'join') throw forbidden('You are not in this room');
  }

  #set(
    requester: Requester,
    room: KnownRoom,
    target: UserId,
    membership: MembershipName,
    { reason }: WithReason,
  ): void {
    const content: JsonObject = reason === undefined ? { membership } : { membership, reason };
    this.#uses.sending.appendState(requester, room, { type: 'm.room.member', stateKey: target, content });
  }
}

function targetUser(text: string): UserId {
  const user = parseUserId(text);
  if (user === undefined) throw invalidParam('user_id is not a user ID');
  return user;
}
