import type { Config } from '../../config/config.ts';
import { remoteError } from '../../federation/client.ts';
import type { RemoteDirectory } from '../../federation/remote-directory.ts';
import { forbidden, invalidParam, MatrixError, notFound, userSuspended } from '../../protocol/errors.ts';
import { PowerLevels } from '../../protocol/event-auth/power-levels.ts';
import { parseRoomAlias, serverOfAlias } from '../../protocol/ids/room-id.ts';
import type { RoomAlias, RoomId, ServerName } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import { memberships } from '../../store/events/membership.ts';
import type { RoomNid } from '../../store/nids.ts';
import type { AliasStore } from '../../store/rooms/aliases.ts';
import type { Requester } from '../../users/login/requester.ts';
import type { JsonObject } from '../../util/json.ts';
import type { KnownRoom, KnownRooms } from '../known-rooms.ts';
import type { Visibility } from '../read/visibility.ts';
import type { StateDraft } from '../send/draft.ts';
import type { LocalEvent } from '../send/local-events.ts';
import type { Sending } from '../send/send.ts';
import { currentState, type StateSources } from '../state/current-state.ts';
import { aliasesIn } from './canonical-alias.ts';

export interface AliasUses extends StateSources {
  readonly db: Database;
  readonly aliasStore: AliasStore;
  readonly rooms: KnownRooms;
  readonly sending: Sending;
  readonly visibility: Visibility;
  readonly serverName: ServerName;
  readonly settings: Config['rooms'];
  readonly remoteDirectory: Pick<RemoteDirectory, 'resolveAlias'>;
}

/** A room, and servers to join it by. */
export interface AliasedRoom {
  readonly roomId: RoomId;
  readonly servers: readonly ServerName[];
}

/** Servers of a room that are told: enough for some of them to answer. */
const maxServers = 50;

/** The names of rooms on this server, and which rooms its directory lists. */
export class Aliases {
  readonly #uses: AliasUses;

  constructor(uses: AliasUses) {
    this.#uses = uses;
  }

  /** The room behind an alias and servers that are in it. 404 M_NOT_FOUND, also for aliases of other servers. */
  resolve(alias: RoomAlias): AliasedRoom {
    const { aliasStore, interning } = this.#uses;
    const found = aliasStore.find(alias);
    if (found === undefined) throw notFound(`The room alias ${alias} was not found`);
    return { roomId: interning.roomId(found.room), servers: this.#serversIn(found.room) };
  }

  /**
   * The same for an alias of any server, which is asked. 404 M_NOT_FOUND · 403 M_FORBIDDEN a server that is not talked to
   * · 502, 504 M_UNKNOWN it does not answer
   */
  async resolveAnywhere(alias: RoomAlias): Promise<AliasedRoom> {
    const { serverName, remoteDirectory } = this.#uses;
    if (serverOfAlias(alias) === serverName) return this.resolve(alias);
    const resolved = await remoteDirectory.resolveAlias(alias);
    if (resolved.ok) return resolved;
    if (resolved.status === 404) throw notFound(`The room alias ${alias} was not found`);
    throw remoteError(resolved);
  }

  /** Ours first, if we are in the room. An alias may outlive the last of us. */
  #serversIn(room: RoomNid): ServerName[] {
    const { interning, roomState, serverName } = this.#uses;
    const others = roomState.servers
      .current(room, 0, maxServers)
      .map(({ server }) => interning.serverName(server))
      .filter((server) => server !== serverName);
    return roomState.hasLocalJoined(room) ? [serverName, ...others] : others;
  }

  /**
   * Gives a room one more name. 400 M_INVALID_PARAM no alias of this server · 403 M_FORBIDDEN not in the room,
   * M_USER_SUSPENDED · 409 M_UNKNOWN the alias exists
   */
  async create(requester: Requester, alias: string, roomId: string): Promise<void> {
    const { db, aliasStore, roomState, rooms } = this.#uses;
    checkNotSuspended(requester);
    const parsed = this.#own(alias);
    const room = rooms.getForMember(roomId);
    await db.durable<void>(() => {
      if (roomState.member(room.nid, requester.user)?.membership !== memberships.join) {
        throw forbidden('You are not in this room');
      }
      if (!aliasStore.insert(parsed, room.nid, requester.user)) {
        throw new MatrixError(409, 'M_UNKNOWN', `The room alias ${parsed} exists already`);
      }
    });
  }

  /**
   * Takes a name away, and out of the canonical alias where the requester may change it. For whoever made the alias,
   * who may set the room's canonical alias, and server admins. 404 M_NOT_FOUND · 403 M_FORBIDDEN,
   * M_USER_SUSPENDED
   */
  async remove(requester: Requester, alias: string): Promise<void> {
    const { db, aliasStore, sending } = this.#uses;
    checkNotSuspended(requester);
    const parsed = this.#own(alias);
    const planned = this.#removal(requester, parsed);
    const consent = planned.draft && (await this.#consent(requester, planned.room, planned.draft));
    await db.durable<void>(() => {
      const { room, draft } = this.#removal(requester, parsed);
      aliasStore.remove(parsed);
      if (draft === undefined || consent === 'refused') return;
      sending.append(requester, room, draft, consent);
    });
  }

  /** The room that loses the alias, and what then becomes of its canonical alias if that changes. Throws like `remove`. */
  #removal(requester: Requester, alias: RoomAlias): { room: KnownRoom; draft: StateDraft | undefined } {
    const { aliasStore, rooms, interning } = this.#uses;
    const found = aliasStore.find(alias);
    if (found === undefined) throw notFound(`The room alias ${alias} was not found`);
    const room = rooms.get(interning.roomId(found.room));
    const mayChangeRoom = this.mayName(requester, room);
    if (found.creator !== requester.user && !requester.admin && !mayChangeRoom) {
      throw forbidden('Only who made the alias or may change the canonical alias can remove it');
    }
    return { room, draft: mayChangeRoom ? this.#withoutAlias(room, alias) : undefined };
  }

  /** The event as the room's policy server has signed it, if there is one. What that refuses does not keep the alias. */
  async #consent(
    requester: Requester,
    room: KnownRoom,
    draft: StateDraft,
  ): Promise<LocalEvent | 'refused' | undefined> {
    try {
      return await this.#uses.sending.recommended(requester, room, draft);
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error;
      return 'refused';
    }
  }

  /** The room's aliases on this server. 403 M_FORBIDDEN unless the requester is in the room or all may read it. */
  ofRoom(requester: Requester, roomId: string): RoomAlias[] {
    const room = this.#uses.rooms.getForMember(roomId);
    const view = this.#uses.visibility.view(room.nid, requester.user);
    if (view.membership !== 'join' && !view.isWorldReadable) throw forbidden('You are not in this room');
    return this.#uses.aliasStore.ofRoom(room.nid);
  }

  /** Whether the directory lists the room. 404 M_NOT_FOUND */
  isPublished(roomId: string): boolean {
    const room = this.#uses.rooms.get(roomId);
    return this.#uses.roomState.info(room.nid)?.published ?? false;
  }

  /** Lists the room or takes it out. For who may name the room, and server admins. 404 M_NOT_FOUND · 403 M_FORBIDDEN */
  async publish(requester: Requester, roomId: string, published: boolean): Promise<void> {
    const { db, roomState, rooms } = this.#uses;
    checkNotSuspended(requester);
    const room = rooms.get(roomId);
    await db.durable<void>(() => {
      if (published) this.checkPublishing(requester);
      if (!requester.admin && !this.mayName(requester, room)) {
        throw forbidden('Only who may change the canonical alias can publish the room');
      }
      roomState.publish(room.nid, published);
    });
  }

  /** 403 M_FORBIDDEN if the server's settings keep the requester from publishing any room. */
  checkPublishing({ admin }: Requester): void {
    const { publicDirectory } = this.#uses.settings;
    if (publicDirectory === 'nobody' || (publicDirectory === 'admins' && !admin)) {
      throw forbidden('This server does not let you publish rooms in its directory');
    }
  }

  /** Whether the requester is in the room and may set its canonical alias. */
  mayName({ user, userId }: Requester, room: KnownRoom): boolean {
    const { roomState } = this.#uses;
    if (roomState.member(room.nid, user)?.membership !== memberships.join) return false;
    const levels = PowerLevels.of(room.rules, currentState(this.#uses, room.nid));
    return levels.userLevel(userId) >= levels.requiredLevel('m.room.canonical_alias', true);
  }

  #own(text: string): RoomAlias {
    const alias = parseRoomAlias(text);
    if (alias === undefined) throw invalidParam('This is not a room alias');
    if (serverOfAlias(alias) !== this.#uses.serverName) throw invalidParam('The alias is not one of this server');
    return alias;
  }

  #withoutAlias(room: KnownRoom, alias: RoomAlias): StateDraft | undefined {
    const present = currentState(this.#uses, room.nid)('m.room.canonical_alias', '')?.content;
    if (present === undefined || !aliasesIn(present).includes(alias)) return undefined;
    const { alias: main, alt_aliases: others, ...rest } = present;
    const content: JsonObject = { ...rest };
    if (main !== undefined && main !== alias) content['alias'] = main;
    if (Array.isArray(others)) content['alt_aliases'] = others.filter((other) => other !== alias);
    return { type: 'm.room.canonical_alias', stateKey: '', content };
  }
}

function checkNotSuspended({ suspended }: Requester): void {
  if (suspended === true) throw userSuspended();
}
