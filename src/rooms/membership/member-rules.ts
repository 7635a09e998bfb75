import { forbidden, invalidParam, MatrixError, notFound } from '../../protocol/errors.ts';
import type { ServerName, UserId } from '../../protocol/ids/types.ts';
import { parseUserId, serverOf } from '../../protocol/ids/user-id.ts';
import { memberships } from '../../store/events/membership.ts';
import type { UserNid } from '../../store/nids.ts';
import type { NoticeRoomStore } from '../../store/rooms/notice-rooms.ts';
import type { Requester } from '../../users/login/requester.ts';
import type { JsonObject } from '../../util/json.ts';
import type { KnownRoom } from '../known-rooms.ts';
import { currentState, type StateSources } from '../state/current-state.ts';
import { authoriserOfJoin } from './restricted-join.ts';

/** What is known of the people of this server; `homeserver.ts` fills it. */
export interface LocalPeople {
  /** Whether the user has an account on this server. */
  exists(user: UserId): boolean;
  /** The name and picture that a user of this server has set; empty for others. */
  profile(user: UserId): { readonly displayname?: string; readonly avatar_url?: string };
  /** Whether the user's events are shown redacted to who was not in the room when they were sent. */
  isErased(user: UserNid): boolean;
  /** Whom the user ignores. */
  ignored(user: UserNid): ReadonlySet<UserNid>;
  /** Whether the user wants no invites (`m.invite_permission_config`). */
  blocksInvites(user: UserId): boolean;
}

/** What this server asks of the member events of its own users, beyond the auth rules. Inside a write. */
export class MemberRules {
  readonly #sources: StateSources;
  readonly #people: LocalPeople;
  readonly #serverName: ServerName;
  readonly #noticeRooms: NoticeRoomStore;
  readonly #mayTalkTo: (server: ServerName) => boolean;

  constructor(
    uses: StateSources & {
      readonly people: LocalPeople;
      readonly serverName: ServerName;
      readonly noticeRooms: NoticeRoomStore;
      readonly mayTalkTo: (server: ServerName) => boolean;
    },
  ) {
    this.#sources = uses;
    this.#people = uses.people;
    this.#serverName = uses.serverName;
    this.#noticeRooms = uses.noticeRooms;
    this.#mayTalkTo = uses.mayTalkTo;
  }

  /** The name and picture that member events of the user carry. */
  profile(user: UserId): { readonly displayname?: string; readonly avatar_url?: string } {
    return this.#people.profile(user);
  }

  /**
   * The content of a member event as it will be sent: joins, invites and knocks get the profile of the user they are
   * about, as far as they do not say it themselves, and a restricted join gets its authoriser. Throws where this
   * server refuses the change.
   */
  prepare(requester: Requester, room: KnownRoom, stateKey: string, content: JsonObject): JsonObject {
    // Who authorised a join is for the server to say.
    const { join_authorised_via_users_server: _claimed, ...said } = content;
    const target = parseUserId(stateKey);
    const membership = said['membership'];
    if (target === undefined) throw invalidParam('The state key of a member event must be a user ID');
    if (membership === 'invite') this.checkInvitee(target);
    if (membership === 'leave' && target === requester.userId) this.#checkNotices(requester, room);
    if (membership === 'join' && target === requester.userId) {
      if (requester.guest) this.#checkGuest(room);
      const authoriser = authoriserOfJoin(this.#sources, room, requester, this.#serverName);
      const authorised = authoriser === undefined ? {} : { join_authorised_via_users_server: authoriser };
      return { ...this.profile(target), ...said, ...authorised };
    }
    const shows = membership === 'join' || membership === 'invite' || membership === 'knock';
    return shows ? { ...this.profile(target), ...said } : said;
  }

  /**
   * 403 M_FORBIDDEN for users of servers that this one does not talk to · 404 M_NOT_FOUND nobody has this name here
   * · 403 M_INVITE_BLOCKED
   */
  checkInvitee(target: UserId): void {
    const server = serverOf(target);
    if (server !== this.#serverName) {
      if (this.#mayTalkTo(server)) return;
      throw forbidden(`This server does not talk to ${server}`);
    }
    if (!this.#people.exists(target)) throw notFound('There is no user of this name');
    if (this.#people.blocksInvites(target)) {
      throw new MatrixError(403, 'M_INVITE_BLOCKED', 'This user does not accept invites');
    }
  }

  /** Nobody declines what the server has to say; whoever has joined may leave. */
  #checkNotices({ user, userId }: Requester, room: KnownRoom): void {
    if (this.#noticeRooms.of(user) !== room.nid || !this.#people.exists(userId)) return;
    if (this.#sources.roomState.member(room.nid, user)?.membership !== memberships.invite) return;
    const message = 'The invite to the room of server notices cannot be declined';
    throw new MatrixError(403, 'M_CANNOT_LEAVE_SERVER_NOTICE_ROOM', message);
  }

  #checkGuest(room: KnownRoom): void {
    const access = currentState(this.#sources, room.nid)('m.room.guest_access', '');
    if (access?.content['guest_access'] !== 'can_join') {
      throw new MatrixError(403, 'M_GUEST_ACCESS_FORBIDDEN', 'Guests cannot join this room');
    }
  }
}
