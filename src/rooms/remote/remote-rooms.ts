import type { Gates } from '../../governor/gates.ts';
import { MatrixError, userSuspended } from '../../protocol/errors.ts';
import type { RoomId, ServerName } from '../../protocol/ids/types.ts';
import type { RoomNid } from '../../store/nids.ts';
import type { Requester } from '../../users/login/requester.ts';
import type { JsonObject } from '../../util/json.ts';
import type { RoomLimits } from '../limits/room-limits.ts';
import type { MemberRules } from '../membership/member-rules.ts';
import type { RoomPurges } from '../purge/room-purge.ts';
import type { Candidates } from './candidates.ts';
import type { Doorstep } from './doorstep.ts';
import type { Joining } from './joining.ts';

export interface RemoteRoomsUses {
  readonly candidates: Candidates;
  readonly joining: Joining;
  readonly doorstep: Doorstep;
  readonly memberRules: MemberRules;
  readonly limits: Pick<RoomLimits, 'check'>;
  readonly purges: Pick<RoomPurges, 'requireNone'>;
  readonly gates?: Pick<Gates, 'requireJoin' | 'requireDiskFor'>;
}

/** How somebody wants to get into a room, or out of it. */
export interface RemoteOptions {
  /** Servers that may be in the room, as the client or an alias names them. */
  readonly via?: readonly string[] | undefined;
  readonly reason?: string | undefined;
}

/** State events that come whole with the answer to a join: nobody waits long for them. */
const smallRoom = 300;

/** What our users do about rooms through other servers. */
export class RemoteRooms {
  readonly #uses: RemoteRoomsUses;

  constructor(uses: RemoteRoomsUses) {
    this.#uses = uses;
  }

  /** Whether somebody of ours is in the room, so that this server can do without others. */
  isInside(room: RoomNid): boolean {
    return this.#uses.joining.isInside(room);
  }

  /** See `Joining.whenEntered`. */
  whenEntered(roomId: string): Promise<void> | undefined {
    return this.#uses.joining.whenEntered(roomId);
  }

  /**
   * Lets the requester into a room that nobody of ours is in. False if somebody of ours has entered it meanwhile: then
   * it is for this server alone to let the requester in.
   * 403 M_FORBIDDEN, M_GUEST_ACCESS_FORBIDDEN, M_USER_SUSPENDED, M_RESOURCE_LIMIT_EXCEEDED · 404 M_NOT_FOUND no server is known or knows the room
   * · 400 M_INCOMPATIBLE_ROOM_VERSION · 502, 504 M_UNKNOWN
   */
  async join(requester: Requester, roomId: RoomId, options: RemoteOptions = {}): Promise<boolean> {
    if (requester.suspended === true) throw userSuspended();
    // Whether guests may come in is found out only inside.
    if (requester.guest) {
      throw new MatrixError(403, 'M_GUEST_ACCESS_FORBIDDEN', 'Guests cannot join rooms of other servers');
    }
    this.#uses.gates?.requireJoin();
    this.#uses.purges.requireNone(roomId);
    const wish = this.#wish(requester, roomId, options);
    const estimate = await this.#uses.limits.check(requester.user, roomId, wish.servers);
    if (estimate !== undefined) this.#uses.gates?.requireDiskFor(estimate.diskMb.value);
    const isSmall = estimate !== undefined && estimate.stateEvents.value <= smallRoom;
    return this.#uses.joining.enter({ ...wish, isSmall });
  }

  /**
   * Lets the requester into a restricted room of which nobody here can say whether the requester may. False if no other
   * server is there to be asked.
   */
  async joinByOthersWord(requester: Requester, roomId: RoomId, options: RemoteOptions = {}): Promise<boolean> {
    const wish = this.#wish(requester, roomId, options);
    if (requester.suspended === true || requester.guest || wish.servers.length === 0) return false;
    await this.#uses.joining.vouchedFor(wish);
    return true;
  }

  /** Knocks on a room that nobody of ours is in. Throws like `join`. */
  async knock(requester: Requester, roomId: RoomId, options: RemoteOptions = {}): Promise<void> {
    if (requester.suspended === true) throw userSuspended();
    this.#uses.purges.requireNone(roomId);
    await this.#uses.doorstep.knock(this.#wish(requester, roomId, options));
  }

  /** Declines an invite or takes a knock back, with or without the help of other servers. */
  async leave(requester: Requester, roomId: RoomId, options: RemoteOptions = {}): Promise<void> {
    const { servers, ...wish } = this.#wish(requester, roomId, options);
    await this.#uses.doorstep.leave({ ...wish, servers, said: said({}, options) });
  }

  /** See `Joining.resume`. */
  resume(): void {
    this.#uses.joining.resume();
  }

  /** How many rooms may be entered at a time. */
  setAtOnce(rooms: number): void {
    this.#uses.joining.setAtOnce(rooms);
  }

  /** Calls off what is under way, and resolves when nothing of it is left. */
  stop(): Promise<void> {
    return this.#uses.joining.stop();
  }

  #wish({ user, userId }: Requester, roomId: RoomId, options: RemoteOptions) {
    const { candidates, memberRules } = this.#uses;
    const servers: readonly ServerName[] = candidates.of(roomId, user, options.via);
    return { user, userId, roomId, servers, said: said(memberRules.profile(userId), options) };
  }
}

function said(profile: Readonly<JsonObject>, { reason }: RemoteOptions): JsonObject {
  return { ...profile, ...(reason === undefined ? {} : { reason }) };
}
