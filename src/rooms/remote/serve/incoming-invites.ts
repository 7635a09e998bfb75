import { canonicalJson } from '../../../protocol/canonical-json.ts';
import { forbidden, incompatibleRoomVersion, invalidParam, MatrixError } from '../../../protocol/errors.ts';
import { type EventSigner, signEvent } from '../../../protocol/events/build.ts';
import { type Pdu, refIds } from '../../../protocol/events/pdu.ts';
import { type ReceivedEvent, readEvent } from '../../../protocol/events/read.ts';
import { isRoomIdOf } from '../../../protocol/ids/room-id.ts';
import type { RoomId, ServerName, UserId } from '../../../protocol/ids/types.ts';
import { parseUserId, serverOf } from '../../../protocol/ids/user-id.ts';
import { type RoomVersionRules, roomVersionRules } from '../../../protocol/room-versions.ts';
import type { Database } from '../../../store/db.ts';
import type { EventStore } from '../../../store/events/event-store.ts';
import { memberships } from '../../../store/events/membership.ts';
import type { Interning } from '../../../store/interning/interning.ts';
import type { EventNid, RoomNid, UserNid } from '../../../store/nids.ts';
import type { RoomStateStore } from '../../../store/state/room-state-store.ts';
import type { Streams } from '../../../streams/streams.ts';
import type { JsonObject } from '../../../util/json.ts';
import type { RoomInput } from '../../input/input.ts';
import type { EventObserver } from '../../input/observer.ts';
import type { KnownRoom, KnownRooms } from '../../known-rooms.ts';
import type { LocalPeople } from '../../membership/member-rules.ts';
import type { EventVerifier } from '../../receive/verify.ts';
import type { ServerAccess } from '../../server-access.ts';
import type { AskedRooms } from './asked-rooms.ts';
import { readHandedIn } from './handed-in.ts';
import { strippedInviteState } from './invite-state.ts';

export interface IncomingInvitesUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly events: EventStore;
  readonly roomState: RoomStateStore;
  readonly streams: Streams;
  readonly input: RoomInput;
  readonly rooms: KnownRooms;
  readonly asked: AskedRooms;
  readonly access: ServerAccess;
  readonly verifier: EventVerifier;
  readonly people: LocalPeople;
  readonly signer: EventSigner;
  /** Told of an invite to a room that is not known here, which is in no room's order; its row carries its position. */
  readonly inviteObservers: readonly Pick<EventObserver, 'onEvent'>[];
}

/** An invite as another server hands it in. */
export interface IncomingInvite {
  readonly origin: ServerName;
  readonly roomId: string;
  readonly eventId: string;
  readonly roomVersion: string;
  /** As `parseExactJson` read it. */
  readonly event: JsonObject;
  readonly inviteRoomState: unknown;
  readonly signal?: AbortSignal;
}

/** Invites that wait for a user's answer at most: each is kept with the state that came with it. */
const maxWaiting = 500;

/** Invites of our users to rooms of other servers. */
export class IncomingInvites {
  readonly #uses: IncomingInvitesUses;

  constructor(uses: IncomingInvitesUses) {
    this.#uses = uses;
  }

  /**
   * Takes an invite for one of our users and answers the event with our signature, as JSON text. The answer comes when
   * the invite survives a power cut. Where somebody of ours is in the room, the invite itself comes with what happens
   * there; otherwise it is kept beside the room, which may not be known at all.
   * 400 M_INVALID_PARAM no such event, wrong signatures, bad state · 400 M_INCOMPATIBLE_ROOM_VERSION · 403 M_FORBIDDEN
   * kept out, no such user, too many invites · 403 M_INVITE_BLOCKED · 413 M_TOO_LARGE
   */
  async take(invite: IncomingInvite): Promise<string> {
    const { asked, access, rooms, verifier, signer } = this.#uses;
    const { origin, eventId, event, signal } = invite;
    const rules = roomVersionRules(invite.roomVersion);
    if (rules === undefined) throw incompatibleRoomVersion(invite.roomVersion);
    const roomId = invite.roomId;
    if (!isRoomIdOf(roomId, rules)) throw invalidParam('This is no room ID of this room version');
    const known = rooms.find(roomId);
    if (known !== undefined) {
      access.requireAcl(known.nid, origin);
      if (!isVersionOf(known, rules)) throw invalidParam(`The room has version ${known.rules.version}`);
    }
    const read = readHandedIn(event, rules, { membership: 'invite', roomId, eventId, origin });
    const user = this.#invitee(read.pdu);
    const { problems } = await verifier.verify([event], rules, signal);
    if (problems[0] !== undefined) throw invalidParam(problems[0].reason);
    const given = invite.inviteRoomState;
    const stripped = await strippedInviteState({ roomId, rules, invite: read.pdu, given, signal }, verifier);
    const signed = signEvent(event as unknown as Pdu, rules, signer) as unknown as JsonObject;
    const complete = readEvent(signed, rules);
    if (!complete.ok) throw invalidParam(`The event's ${complete.problem.field} ${complete.problem.reason}`);
    if (asked.findOurs(roomId) === undefined) {
      await this.#uses.db.durable<void>(() => this.#keep({ roomId, rules, user, stripped }, complete.event));
    }
    return canonicalJson(signed, 'lenient');
  }

  #invitee(pdu: Pdu): UserId {
    const { people, signer } = this.#uses;
    const user = parseUserId(pdu.state_key ?? '');
    if (user === undefined || serverOf(user) !== signer.serverName) {
      throw invalidParam("The event's state key is no user of this server");
    }
    if (!people.exists(user)) throw forbidden('There is no user of this name');
    if (people.blocksInvites(user)) throw new MatrixError(403, 'M_INVITE_BLOCKED', 'This user does not accept invites');
    return user;
  }

  #keep(
    at: { readonly roomId: RoomId; readonly rules: RoomVersionRules; readonly user: UserId; readonly stripped: string },
    event: ReceivedEvent,
  ): void {
    const { interning, roomState, events, input, streams, inviteObservers } = this.#uses;
    const room = interning.room(at.roomId);
    const user = interning.user(at.user);
    const nid = interning.event(event.eventId);
    const known = events.row(nid);
    // In room versions 1 and 2 a server chooses the ID.
    if (known !== undefined && known.room !== room) throw invalidParam('There is another event of this ID');
    // One that was answered already is not given again.
    if (known !== undefined) return;
    this.#requireRoom(user, room);
    const prevEvents = refIds(event.pdu.prev_events).map((id): EventNid => interning.event(id));
    const { row } = input.commit({
      room,
      rules: at.rules,
      event,
      nid,
      outcome: 'outlier',
      // Whether it was allowed is found out when the room is known: until then it is nobody's auth event.
      rejected: true,
      before: undefined,
      prevEvents,
      authEvents: [],
    });
    const pos = streams.next();
    roomState.setLocalMember({ user, room, membership: memberships.invite, event: nid, pos }, at.stripped);
    const committed = { row: { ...row, pos }, rules: at.rules, ...event };
    for (const observer of inviteObservers) observer.onEvent(committed);
    streams.touchUser(user);
  }

  #requireRoom(user: UserNid, room: RoomNid): void {
    const waiting = this.#uses.roomState.localRooms(user, [memberships.invite]);
    if (waiting.length >= maxWaiting && !waiting.some((member) => member.room === room)) {
      throw forbidden('Too many invites wait for this user');
    }
  }
}

/** The old endpoint does not tell room versions 1 and 2 apart, nor need it. */
function isVersionOf({ rules }: KnownRoom, said: RoomVersionRules): boolean {
  return rules.version === said.version || (rules.eventIdFormat === 'v1' && said.eventIdFormat === 'v1');
}
