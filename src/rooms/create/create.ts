import type { Config } from '../../config/config.ts';
import { invalidParam, MatrixError, userSuspended } from '../../protocol/errors.ts';
import { parseRoomAlias } from '../../protocol/ids/room-id.ts';
import type { RoomAlias, RoomId, ServerName } from '../../protocol/ids/types.ts';
import { isUserId } from '../../protocol/ids/user-id.ts';
import { type RoomVersionRules, roomVersionRules } from '../../protocol/room-versions.ts';
import type { Database } from '../../store/db.ts';
import type { AliasStore } from '../../store/rooms/aliases.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import type { Requester } from '../../users/login/requester.ts';
import type { JsonValue } from '../../util/json.ts';
import type { Log } from '../../util/log.ts';
import type { Aliases } from '../aliases/aliases.ts';
import type { KnownRoom } from '../known-rooms.ts';
import type { MemberRules } from '../membership/member-rules.ts';
import { isInviteElsewhere } from '../remote/inviting.ts';
import type { StateDraft } from '../send/draft.ts';
import type { LocalInput } from '../send/local-input.ts';
import type { Sending } from '../send/send.ts';
import type { AddressInvites } from '../third-party/address-invites.ts';
import type { RoomOpening } from './opening.ts';
import type { CreateRoomOptions } from './options.ts';
import { createRoomPlan } from './plan.ts';

export interface CreateUses {
  readonly db: Database;
  readonly roomState: RoomStateStore;
  readonly aliases: AliasStore;
  readonly opening: RoomOpening;
  readonly localInput: LocalInput;
  readonly memberRules: MemberRules;
  readonly sending: Sending;
  readonly addressInvites: Pick<AddressInvites, 'invite'>;
  readonly serverName: ServerName;
  readonly settings: Config['rooms'];
  readonly directory: Pick<Aliases, 'checkPublishing'>;
  readonly log: Log;
}

/** A room with all that this server can do alone. */
interface Created {
  readonly room: KnownRoom;
  /** Invites that other servers have to be shown first. */
  readonly elsewhere: readonly StateDraft[];
}

/** Makes rooms. */
export class RoomCreation {
  readonly #uses: CreateUses;

  constructor(uses: CreateUses) {
    this.#uses = uses;
  }

  /** The version of rooms whose creator names none. */
  get defaultVersion(): string {
    return this.#uses.settings.defaultVersion;
  }

  /**
   * Makes a room with all its first events in one transaction: it is there as a whole, or not at all.
   *
   * Users of other servers, and people by their addresses, are invited once it is there; an invite that fails does not
   * make it go away.
   *
   * 400 M_UNSUPPORTED_ROOM_VERSION · 400 M_INVALID_PARAM alias name or additional creator · 400 M_ROOM_IN_USE
   * · 400 M_INVALID_ROOM_STATE the events asked for are not allowed in it · 403 M_FORBIDDEN an invite to another
   * server, or the directory is closed · 403 M_INVITE_BLOCKED · 404 M_NOT_FOUND an invite to nobody · 413 M_TOO_LARGE
   * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3createroom
   */
  async createRoom(requester: Requester, options: CreateRoomOptions): Promise<RoomId> {
    if (requester.suspended === true) throw userSuspended();
    const rules = roomVersionRules(options.version);
    if (rules === undefined) {
      throw new MatrixError(400, 'M_UNSUPPORTED_ROOM_VERSION', 'This server does not support the room version');
    }
    const alias = this.#alias(options.aliasName);
    checkCreators(options.creationContent['additional_creators'], rules);
    if (options.visibility === 'public') this.#uses.directory.checkPublishing(requester);
    const { room, elsewhere } = await this.#uses.db.durable<Created>(() =>
      this.#create(requester, options, rules, alias),
    );
    await this.#inviteElsewhere(requester, room, elsewhere);
    await this.#inviteAddresses(requester, room, options);
    return room.roomId;
  }

  /** The room is there, whoever of other servers can be reached: who could not be invited is not in its member list. */
  async #inviteElsewhere(requester: Requester, room: KnownRoom, drafts: readonly StateDraft[]): Promise<void> {
    const { sending, log } = this.#uses;
    const invites = drafts.map((draft) => sending.setState(requester, room, draft));
    for (const [index, result] of (await Promise.allSettled(invites)).entries()) {
      if (result.status === 'fulfilled') continue;
      log.warn('rooms.invite_failed', { roomId: room.roomId, user: drafts[index]?.stateKey, cause: result.reason });
    }
  }

  /** At the same time: each takes two or three questions to an identity server, and the client waits. */
  async #inviteAddresses(requester: Requester, room: KnownRoom, options: CreateRoomOptions): Promise<void> {
    const { addressInvites, log } = this.#uses;
    const { isDirect, inviteAddresses = [] } = options;
    const invites = inviteAddresses.map((wish) => addressInvites.invite(requester, room, { ...wish, isDirect }));
    for (const result of await Promise.allSettled(invites)) {
      if (result.status === 'rejected') {
        log.warn('rooms.invite_failed', { roomId: room.roomId, cause: result.reason });
      }
    }
  }

  #create(
    requester: Requester,
    options: CreateRoomOptions,
    rules: RoomVersionRules,
    alias: RoomAlias | undefined,
  ): Created {
    const { aliases, memberRules, serverName } = this.#uses;
    const { userId, user } = requester;
    for (const invitee of options.invite) memberRules.checkInvitee(invitee);
    const [create, ...others] = createRoomPlan(options, {
      rules,
      creator: userId,
      profile: (member) => memberRules.profile(member),
      ...(alias === undefined ? {} : { alias }),
    }) as [StateDraft, ...StateDraft[]];
    const room = inNewRoom(() => this.#uses.opening.open(userId, create, rules));
    if (alias !== undefined && !aliases.insert(alias, room.nid, user)) {
      throw new MatrixError(400, 'M_ROOM_IN_USE', `The room alias ${alias} exists already`);
    }
    if (options.visibility === 'public') this.#uses.roomState.publish(room.nid, true);
    const elsewhere: StateDraft[] = [];
    for (const draft of others) {
      const prepared = this.#uses.sending.prepareState(requester, room, draft);
      if (isInviteElsewhere(draft, serverName)) elsewhere.push(draft);
      else inNewRoom(() => this.#uses.localInput.append(room, userId, prepared));
    }
    return { room, elsewhere };
  }

  #alias(name: string | undefined): RoomAlias | undefined {
    if (name === undefined) return undefined;
    const alias = name.includes(':') ? undefined : parseRoomAlias(`#${name}:${this.#uses.serverName}`);
    if (alias === undefined) throw invalidParam('room_alias_name cannot be part of a room alias');
    return alias;
  }
}

/** 400 M_INVALID_PARAM for what cannot be the additional creators of a room. */
export function checkCreators(creators: JsonValue | undefined, rules: RoomVersionRules): void {
  if (!rules.privilegedCreators || creators === undefined) return;
  if (!Array.isArray(creators) || !creators.every((user) => typeof user === 'string' && isUserId(user))) {
    throw invalidParam('additional_creators must be a list of user IDs');
  }
}

/** An event that its own room does not allow makes the whole request one that asks for the impossible. */
export function inNewRoom<T>(fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    if (error instanceof MatrixError && error.errcode === 'M_FORBIDDEN') {
      throw new MatrixError(400, 'M_INVALID_ROOM_STATE', error.message, { cause: error });
    }
    throw error;
  }
}
