import { forbidden, invalidParam, MatrixError, notFound, userSuspended } from '../../protocol/errors.ts';
import { parseRoomAlias, parseRoomId, serverOfAlias } from '../../protocol/ids/room-id.ts';
import type { RoomId, UserId } from '../../protocol/ids/types.ts';
import { parseUserId } from '../../protocol/ids/user-id.ts';
import type { Database } from '../../store/db.ts';
import { type MembershipName, membershipName, memberships } from '../../store/events/membership.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import type { Streams } from '../../streams/streams.ts';
import type { Requester } from '../../users/login/requester.ts';
import type { JsonObject } from '../../util/json.ts';
import type { Aliases } from '../aliases/aliases.ts';
import type { KnownRoom, KnownRooms } from '../known-rooms.ts';
import type { WholeRooms } from '../partial/whole-rooms.ts';
import type { RemoteOptions, RemoteRooms } from '../remote/remote-rooms.ts';
import type { Sending } from '../send/send.ts';
import { claimInJoin } from '../third-party/claim.ts';
import type { Redeeming } from '../third-party/redeeming.ts';
import { NeedsVoucher } from './restricted-join.ts';

export interface MembershipUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly roomState: RoomStateStore;
  readonly streams: Streams;
  readonly rooms: KnownRooms;
  readonly sending: Sending;
  readonly aliases: Aliases;
  readonly remote: RemoteRooms;
  readonly wholeRooms: WholeRooms;
  readonly redeeming: Redeeming;
}

/** How somebody wants to get into a room. */
export interface JoinOptions extends RemoteOptions {
  /** What an identity server has signed for the requester, whose address was invited. */
  readonly thirdPartySigned?: JsonObject | undefined;
}

type WithReason = { readonly reason?: string | undefined };

/** A room as a client names it, and servers that may be in it. */
interface NamedRoom {
  readonly roomId: RoomId;
  readonly via: readonly string[];
}

/** Who is in which room. Every change is a member event; the auth rules have the last word. */
export class Memberships {
  readonly #uses: MembershipUses;

  constructor(uses: MembershipUses) {
    this.#uses = uses;
  }

  /**
   * Lets the requester into a room named by ID or alias; with the help of other servers if nobody of ours is in it.
   * Whoever is in it already stays in it. Who was invited by an address is first invited by it.
   * 404 M_NOT_FOUND unknown room or alias · 403 M_FORBIDDEN, M_GUEST_ACCESS_FORBIDDEN · 400 M_INCOMPATIBLE_ROOM_VERSION
   * · 502, 504 M_UNKNOWN no server answers that could help
   */
  async join(
    requester: Requester,
    roomIdOrAlias: string,
    { thirdPartySigned, ...options }: JoinOptions = {},
  ): Promise<RoomId> {
    const { roomId, via } = await this.#resolve(roomIdOrAlias, options);
    if (thirdPartySigned !== undefined) await this.#redeem(requester, roomId, thirdPartySigned);
    const room = this.#inside(roomId);
    if (room !== undefined) await this.#joinHere(requester, room, { ...options, via });
    else if (!(await this.#uses.remote.join(requester, roomId, { ...options, via }))) {
      await this.#joinHere(requester, this.#uses.rooms.get(roomId), { ...options, via });
    }
    return roomId;
  }

  /** Makes an invite of what was signed, unless the requester is invited or in the room already. */
  async #redeem(requester: Requester, roomId: RoomId, signed: JsonObject): Promise<void> {
    const { interning, roomState, redeeming } = this.#uses;
    const claim = claimInJoin(signed, roomId, requester.userId);
    if (requester.suspended === true) throw userSuspended();
    const room = interning.findRoom(roomId);
    const present = room && roomState.localMember(requester.user, room)?.membership;
    if (present !== memberships.join && present !== memberships.invite) await redeeming.redeem(claim);
  }

  async #joinHere(requester: Requester, room: KnownRoom, options: RemoteOptions): Promise<void> {
    const { remote } = this.#uses;
    try {
      const isOutside = () => this.#of(room, requester.userId) !== 'join';
      await this.#set(requester, room, { target: requester.userId, membership: 'join', ...options }, isOutside);
    } catch (error) {
      if (!(error instanceof NeedsVoucher)) throw error;
      if (!(await remote.joinByOthersWord(requester, room.roomId, options))) throw error;
    }
  }

  /** Asks to be let in. Throws what `join` throws; 403 M_FORBIDDEN where the join rules do not allow it */
  async knock(requester: Requester, roomIdOrAlias: string, options: RemoteOptions = {}): Promise<RoomId> {
    const { roomId, via } = await this.#resolve(roomIdOrAlias, options);
    const room = this.#inside(roomId);
    if (room === undefined) await this.#uses.remote.knock(requester, roomId, { ...options, via });
    else await this.#set(requester, room, { target: requester.userId, membership: 'knock', ...options });
    return roomId;
  }

  /**
   * 400 M_INVALID_PARAM no user ID · 403 M_FORBIDDEN, also by the user's server · 403 M_INVITE_BLOCKED
   * · 404 M_NOT_FOUND no such user · 502, 504 M_UNKNOWN the user's server does not answer
   */
  async invite(requester: Requester, roomId: string, userId: string, { reason }: WithReason = {}): Promise<void> {
    const room = this.#uses.rooms.getForMember(roomId);
    const stateKey = targetUser(userId);
    const content: JsonObject = { membership: 'invite', ...(reason === undefined ? {} : { reason }) };
    await this.#uses.sending.setState(requester, room, { type: 'm.room.member', stateKey, content });
  }

  /**
   * Leaves a room, rejects an invite or takes back a knock; leaving again changes nothing.
   * 404 M_NOT_FOUND unknown room · 403 M_FORBIDDEN banned, or never had to do with the room
   */
  async leave(requester: Requester, roomId: string, options: WithReason = {}): Promise<void> {
    const room = this.#inside(roomId);
    if (room === undefined) return this.#leaveElsewhere(requester, roomId, options);
    const isInside = () => mayLeave(this.#of(room, requester.userId));
    await this.#set(requester, room, { target: requester.userId, membership: 'leave', ...options }, isInside);
  }

  /** A room that nobody of ours is in: what we know of its state may be wrong by now. */
  async #leaveElsewhere(requester: Requester, text: string, options: WithReason): Promise<void> {
    const { interning, roomState, remote } = this.#uses;
    const roomId = parseRoomId(text);
    const nid = roomId && interning.findRoom(roomId);
    if (roomId === undefined || nid === undefined) throw notFound('This room is not known here');
    const member = roomState.localMember(requester.user, nid);
    if (member === undefined && roomState.info(nid) === undefined) throw notFound('This room is not known here');
    if (mayLeave(member && membershipName(member.membership))) await remote.leave(requester, roomId, options);
  }

  /** Removes somebody who is in the room, invited or knocking. 403 M_FORBIDDEN */
  async kick(requester: Requester, roomId: string, userId: string, options: WithReason = {}): Promise<void> {
    const room = this.#uses.rooms.getForMember(roomId);
    const target = targetUser(userId);
    await this.#set(requester, room, { target, membership: 'leave', ...options }, () => {
      this.#requireJoined(requester, room);
      const present = this.#of(room, target);
      if (present !== 'join' && present !== 'invite' && present !== 'knock') {
        throw forbidden('This user is not in the room');
      }
      return true;
    });
  }

  /** Keeps somebody out, wherever the user is now. 403 M_FORBIDDEN */
  async ban(requester: Requester, roomId: string, userId: string, options: WithReason = {}): Promise<void> {
    const room = this.#uses.rooms.getForMember(roomId);
    const target = targetUser(userId);
    await this.#set(requester, room, { target, membership: 'ban', ...options });
  }

  /** 403 M_BAD_STATE the user is not banned · 403 M_FORBIDDEN */
  async unban(requester: Requester, roomId: string, userId: string, options: WithReason = {}): Promise<void> {
    const room = this.#uses.rooms.getForMember(roomId);
    const target = targetUser(userId);
    await this.#set(requester, room, { target, membership: 'leave', ...options }, () => {
      this.#requireJoined(requester, room);
      if (this.#of(room, target) !== 'ban') throw new MatrixError(403, 'M_BAD_STATE', 'This user is not banned');
      return true;
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

  async #resolve(roomIdOrAlias: string, { via = [] }: RemoteOptions): Promise<NamedRoom> {
    if (!roomIdOrAlias.startsWith('#')) {
      const roomId = parseRoomId(roomIdOrAlias);
      if (roomId === undefined) throw invalidParam('This is neither a room ID nor a room alias');
      return { roomId, via };
    }
    const alias = parseRoomAlias(roomIdOrAlias);
    if (alias === undefined) throw invalidParam('This is not a room alias');
    const { roomId, servers } = await this.#uses.aliases.resolveAnywhere(alias);
    return { roomId, via: [...via, serverOfAlias(alias), ...servers] };
  }

  /** The room, if somebody of ours is in it: then what we know of it is what there is. */
  #inside(roomId: string): KnownRoom | undefined {
    const room = this.#uses.rooms.find(roomId);
    return room !== undefined && this.#uses.remote.isInside(room.nid) ? room : undefined;
  }

  #of(room: KnownRoom, userId: UserId): MembershipName | undefined {
    const user = this.#uses.interning.findUser(userId);
    const member = user && this.#uses.roomState.member(room.nid, user);
    return member && membershipName(member.membership);
  }

  #requireJoined(requester: Requester, room: KnownRoom): void {
    if (this.#of(room, requester.userId) !== 'join') throw forbidden('You are not in this room');
  }

  /** Sets a membership if a check, which may throw, finds that there is anything to do. */
  async #set(
    requester: Requester,
    room: KnownRoom,
    { target, membership, reason }: WithReason & { readonly target: UserId; readonly membership: MembershipName },
    check: () => boolean = () => true,
  ): Promise<void> {
    const { db, sending, wholeRooms } = this.#uses;
    await wholeRooms.waitForMember(room.nid, target);
    const content: JsonObject = reason === undefined ? { membership } : { membership, reason };
    const draft = { type: 'm.room.member', stateKey: target, content };
    if (!check()) return;
    const asked = sending.recommended(requester, room, draft);
    // Nobody is kept in a room by a policy server.
    const isOwnLeave = membership === 'leave' && target === requester.userId;
    const signed = await (isOwnLeave ? asked.catch(() => undefined) : asked);
    await db.durable<void>(() => {
      if (check()) sending.appendState(requester, room, draft, { signed });
    });
  }
}

/** Whether there is anything to leave. */
function mayLeave(present: MembershipName | undefined): boolean {
  if (present === undefined) throw forbidden('You are not in this room');
  if (present === 'ban') throw forbidden('You are banned from this room');
  return present !== 'leave';
}

function targetUser(text: string): UserId {
  const user = parseUserId(text);
  if (user === undefined) throw invalidParam('user_id is not a user ID');
  return user;
}
