import { forbidden, incompatibleRoomVersion, invalidParam } from '../../../protocol/errors.ts';
import { checkAuth } from '../../../protocol/event-auth/check.ts';
import type { AuthEvent, SignatureChecks, StateLookup } from '../../../protocol/event-auth/types.ts';
import { asEventId } from '../../../protocol/ids/event-id.ts';
import type { ServerName, UserId } from '../../../protocol/ids/types.ts';
import { parseUserId, serverOf } from '../../../protocol/ids/user-id.ts';
import type { Database } from '../../../store/db.ts';
import type { EventNid } from '../../../store/nids.ts';
import type { JsonObject } from '../../../util/json.ts';
import type { KnownRoom } from '../../known-rooms.ts';
import { authoriserOfRemoteJoin } from '../../membership/restricted-join.ts';
import type { LocalEvents } from '../../send/local-events.ts';
import type { ServerAccess } from '../../server-access.ts';
import { currentState, type StateSources, stateAt } from '../../state/current-state.ts';
import type { RoomEnds } from '../../state/room-ends.ts';
import { type AskedRooms, requireOwnUser } from './asked-rooms.ts';

export interface TemplatesUses extends StateSources {
  readonly db: Database;
  readonly localEvents: LocalEvents;
  readonly ends: RoomEnds;
  readonly signatures: SignatureChecks<EventNid>;
  readonly asked: AskedRooms;
  readonly access: ServerAccess;
  readonly serverName: ServerName;
}

/** A member event for another server to complete, and the version of the room. */
export interface Template {
  readonly room_version: string;
  readonly event: JsonObject;
}

/** An event that is not complete has no ID yet; the rules on members do not read it. */
const templateId = asEventId('$template');

/** Member events that users of other servers need to get into rooms and out of them, made for their servers to sign. */
export class Templates {
  readonly #uses: TemplatesUses;

  constructor(uses: TemplatesUses) {
    this.#uses = uses;
  }

  /**
   * 404 M_NOT_FOUND this server is not in the room · 403 M_FORBIDDEN kept out, another server's user, not allowed in · 400
   * M_INCOMPATIBLE_ROOM_VERSION, M_UNABLE_TO_AUTHORISE_JOIN, M_UNABLE_TO_GRANT_JOIN
   */
  join(origin: ServerName, roomId: string, userId: string, versions: readonly string[]): Template {
    const { room, user } = this.#open(origin, roomId, userId);
    requireVersion(room, versions);
    const { asked, serverName } = this.#uses;
    const isOurs = (other: KnownRoom['nid']) => asked.knowsMembers(other);
    const authoriser = authoriserOfRemoteJoin(this.#uses, room, user, { serverName, isOurs });
    const authorised = authoriser === undefined ? {} : { join_authorised_via_users_server: authoriser };
    return this.#make(room, user, { membership: 'join', ...authorised });
  }

  /** 404 M_NOT_FOUND · 403 M_FORBIDDEN kept out, another server's user, neither invited nor in the room nor knocking */
  leave(origin: ServerName, roomId: string, userId: string): Template {
    const { room, user } = this.#open(origin, roomId, userId);
    return this.#make(room, user, { membership: 'leave' });
  }

  /** 404 M_NOT_FOUND · 403 M_FORBIDDEN · 400 M_INCOMPATIBLE_ROOM_VERSION */
  knock(origin: ServerName, roomId: string, userId: string, versions: readonly string[]): Template {
    const { room, user } = this.#open(origin, roomId, userId);
    requireVersion(room, versions);
    return this.#make(room, user, { membership: 'knock' });
  }

  #open(origin: ServerName, roomId: string, userId: string): { room: KnownRoom; user: UserId } {
    const user = parseUserId(userId);
    if (user === undefined) throw invalidParam('This is not a user ID');
    requireOwnUser(origin, serverOf(user));
    return { room: this.#uses.asked.forHandshake(origin, roomId), user };
  }

  #make(room: KnownRoom, user: UserId, content: JsonObject): Template {
    const { localEvents, serverName } = this.#uses;
    const { prevEvents, state } = this.#end(room, user);
    const draft = { type: 'm.room.member', stateKey: user, content };
    const { pdu, authEvents } = localEvents.template(user, draft, { ...room, prevEvents, state });
    this.#authorise(room, user, { content, authEvents, prevEvents }, state);
    return { room_version: room.rules.version, event: { ...pdu, origin: serverName } };
  }

  /** What the event goes behind: all ends of the room, or as many as it may cite, in the state that they resolve to. */
  #end(room: KnownRoom, user: UserId): { prevEvents: readonly EventNid[]; state: StateLookup<EventNid> } {
    const { db, ends } = this.#uses;
    const { prevEvents, before } = db.write(() => ends.place(room, user));
    const state = before === undefined ? currentState(this.#uses, room.nid) : stateAt(this.#uses, before);
    return { prevEvents, state };
  }

  #authorise(
    room: KnownRoom,
    user: UserId,
    made: Pick<AuthEvent<EventNid>, 'content' | 'authEvents' | 'prevEvents'>,
    state: StateLookup<EventNid>,
  ): void {
    const event: AuthEvent<EventNid | 0> = {
      id: 0,
      eventId: templateId,
      type: 'm.room.member',
      stateKey: user,
      sender: user,
      roomId: room.roomId,
      originServerTs: 0,
      depth: 0,
      ...made,
    };
    const { signatures } = this.#uses;
    const checks: SignatureChecks<EventNid | 0> = {
      // Ours, which it will get when it comes back.
      isSignedBy: (_event, server) => server === this.#uses.serverName,
      verify: (...proof) => signatures.verify(...proof),
    };
    const verdict = checkAuth<EventNid | 0>(room.rules, event, state, checks);
    if (!verdict.allowed) throw forbidden(`Not allowed: ${verdict.reason}`, { cause: `rule ${verdict.rule}` });
  }
}

function requireVersion({ rules }: KnownRoom, versions: readonly string[]): void {
  if (!versions.includes(rules.version)) throw incompatibleRoomVersion(rules.version);
}
