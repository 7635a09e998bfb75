import type { Config } from '../config/config.ts';
import type { RoomId, ServerName, UserId } from '../protocol/ids/types.ts';
import { newUserId } from '../protocol/ids/user-id.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { Database } from '../store/db.ts';
import { memberships } from '../store/events/membership.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { UserNid } from '../store/nids.ts';
import type { NoticeRoomStore } from '../store/rooms/notice-rooms.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';
import type { Requester } from '../users/login/requester.ts';
import type { Users } from '../users/users.ts';
import { KeyedQueue } from '../util/keyed-queue.ts';
import type { Log } from '../util/log.ts';

export interface ServerNoticesUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly roomState: RoomStateStore;
  readonly noticeRooms: NoticeRoomStore;
  readonly rooms: Pick<Rooms, 'creation' | 'membership' | 'sending'>;
  readonly users: Pick<Users, 'accounts' | 'profiles' | 'accountData' | 'people'>;
  readonly settings: Config['serverNotices'];
  readonly serverName: ServerName;
  readonly log: Log;
}

/** Admins send them by hand: more than this wait for nothing. */
const atOnce = 100;
const accountsAtOnce = 100;

/**
 * What the server itself tells its users, each in a room of their own. They are invited to it and cannot decline; having
 * joined, they may leave, and are invited again with the next notice.
 * @see https://spec.matrix.org/v1.19/client-server-api/#server-notices
 */
export class ServerNotices {
  readonly enabled: boolean;
  readonly #uses: ServerNoticesUses;
  /** Two notices at the same moment must not make two rooms. */
  readonly #lanes = new KeyedQueue<string>(atOnce);

  constructor(uses: ServerNoticesUses) {
    this.#uses = uses;
    this.enabled = uses.settings.enabled;
  }

  /** Whether notices come from this user. */
  isSender(userId: UserId): boolean {
    const { settings, serverName } = this.#uses;
    return userId === newUserId(settings.localpart, serverName);
  }

  /** Resolves when the notice survives a power cut. The account must exist. */
  async send(target: UserId, text: string): Promise<void> {
    const sent = this.#lanes.run(target, async () => {
      const { users, rooms } = this.#uses;
      const account = users.accounts.row(target);
      if (account === undefined || account.deactivated) throw new Error(`there is no account ${target}`);
      const sender = await this.#sender();
      const room = await this.#roomOf(account.user, target, sender);
      const content = { msgtype: 'm.server_notice', server_notice_type: 'hearth.message', body: text };
      await rooms.sending.send(sender, room, { type: 'm.room.message', content });
    });
    if (sent === undefined) throw new Error('too many notices wait to be sent');
    await sent;
  }

  /** Tells each admin of the server something; nobody where notices are not enabled. Never rejects: who fails is in the log. */
  async toAdmins(text: string): Promise<void> {
    if (!this.enabled) return;
    const { users, log } = this.#uses;
    for (let page = users.accounts.list(undefined, accountsAtOnce); page.length > 0; ) {
      for (const { userId, isAdmin, isDeactivated } of page) {
        if (!isAdmin || isDeactivated || this.isSender(userId)) continue;
        await this.send(userId, text).catch((cause: unknown) => log.warn('notice.not_sent', { userId, cause }));
      }
      page = users.accounts.list(page.at(-1)?.userId, accountsAtOnce);
    }
  }

  /** The user that notices come from; made with the first notice. Nobody can log in as it. */
  async #sender(): Promise<Requester> {
    const { users, settings, serverName } = this.#uses;
    const userId = newUserId(settings.localpart, serverName);
    if (userId === undefined) throw new Error('server_notices.localpart cannot be part of a user ID');
    await users.accounts.create({ userId, password: undefined, isAdmin: false });
    const row = users.accounts.row(userId);
    const sender = row && users.people.asSender(row.user);
    if (sender === undefined) throw new Error(`${userId} is deactivated or locked`);
    users.profiles.set(sender, userId, 'displayname', settings.displayName);
    return sender;
  }

  async #roomOf(user: UserNid, target: UserId, sender: Requester): Promise<RoomId> {
    const { interning, noticeRooms, roomState, rooms } = this.#uses;
    const known = noticeRooms.of(user);
    const isOurs = known !== undefined && roomState.member(known, sender.user)?.membership === memberships.join;
    if (known === undefined || !isOurs) return this.#open(user, target, sender);
    const roomId = interning.roomId(known);
    const present = roomState.member(known, user)?.membership;
    if (present !== memberships.join && present !== memberships.invite) {
      await rooms.membership.invite(sender, roomId, target);
    }
    return roomId;
  }

  async #open(user: UserNid, target: UserId, sender: Requester): Promise<RoomId> {
    const { db, interning, noticeRooms, rooms, settings, users } = this.#uses;
    const roomId = await rooms.creation.createRoom(sender, {
      visibility: 'private',
      preset: 'private_chat',
      name: settings.roomName,
      invite: [],
      isDirect: false,
      version: rooms.creation.defaultVersion,
      creationContent: {},
      initialState: [],
      // The user listens here, and cannot call others in.
      powerLevelOverride: { users_default: -10, invite: 50 },
    });
    await db.durable<void>(() => {
      const room = interning.room(roomId);
      noticeRooms.set(user, room);
      users.accountData.put(user, room, 'm.tag', { tags: { 'm.server_notice': {} } });
    });
    await rooms.membership.invite(sender, roomId, target);
    return roomId;
  }
}
