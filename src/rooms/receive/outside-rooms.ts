import { refIds } from '../../protocol/events/pdu.ts';
import { isEventId } from '../../protocol/ids/event-id.ts';
import type { EventId, ServerName, UserId } from '../../protocol/ids/types.ts';
import { isUserId, serverOf } from '../../protocol/ids/user-id.ts';
import { type RoomVersionRules, roomVersionRules } from '../../protocol/room-versions.ts';
import type { Database } from '../../store/db.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import { type MembershipCode, membershipCode, memberships } from '../../store/events/membership.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { RoomNid, UserNid } from '../../store/nids.ts';
import type { PushCountStore } from '../../store/push/push-counts.ts';
import type { LocalMember } from '../../store/state/local-members.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import type { Streams } from '../../streams/streams.ts';
import { isJsonObject, type JsonValue } from '../../util/json.ts';
import type { RoomInput } from '../input/input.ts';
import { serversInStripped } from '../membership/stripped-servers.ts';
import { isOfRoom } from './auth-judge.ts';
import type { Fate } from './fate.ts';
import type { EventVerifier, VerifiedEvent } from './verify.ts';

export interface OutsideRoomsUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly events: EventStore;
  readonly roomState: RoomStateStore;
  readonly pushCounts: PushCountStore;
  readonly input: RoomInput;
  readonly streams: Streams;
  readonly verifier: EventVerifier;
  readonly serverName: ServerName;
}

/** One of our users who waits outside of a room, with what is known of it. */
interface Waiting {
  readonly user: UserNid;
  readonly room: RoomNid;
  readonly rules: RoomVersionRules;
}

const notInRoom = 'This server is not in the room';

/**
 * What is sent about rooms in which nobody of ours is. It is ignored, except for the end of an invite or a knock of one
 * of our users, which reaches us in no other way. Whether that was allowed cannot be told, so it has to come from a
 * server that was seen in the room when the user was invited or knocked.
 */
export class OutsideRooms {
  readonly #uses: OutsideRoomsUses;

  constructor(uses: OutsideRoomsUses) {
    this.#uses = uses;
  }

  async receive(
    roomId: string | undefined,
    values: readonly unknown[],
    signal?: AbortSignal,
  ): Promise<Map<EventId, Fate>> {
    const fates = new Map<EventId, Fate>();
    for (const value of values) {
      const waiting = this.#waiting(roomId, value);
      if (roomId === undefined || waiting === undefined) {
        for (const id of ownId(value)) fates.set(id, { outcome: 'dropped', reason: notInRoom });
        continue;
      }
      const { events } = await this.#uses.verifier.verify([value], waiting.rules, signal);
      for (const event of events) {
        const taken = isOfRoom(event, {
          ...waiting,
          nid: waiting.room,
          roomId: this.#uses.interning.roomId(waiting.room),
        });
        fates.set(event.eventId, taken ? this.#end(waiting, event) : { outcome: 'dropped', reason: notInRoom });
      }
    }
    return fates;
  }

  /** The user whom an event tells that an invite or a knock is over; `undefined` for any other event. */
  #waiting(roomId: string | undefined, value: unknown): Waiting | undefined {
    const { interning, roomState, serverName } = this.#uses;
    const told = endOf(value);
    const room = roomId === undefined ? undefined : interning.findRoom(roomId);
    if (told === undefined || room === undefined || serverOf(told.target) !== serverName) return undefined;
    const user = interning.findUser(told.target);
    const member = user === undefined ? undefined : roomState.localMember(user, room);
    if (member === undefined || !isWaiting(member.membership)) return undefined;
    const { rules, servers } = this.#seenOf(member);
    return rules !== undefined && servers.has(serverOf(told.sender)) ? { user: member.user, room, rules } : undefined;
  }

  /** The version of the room, and the servers that had to do with the invite or knock: others may be anybody. */
  #seenOf({ user, room, event }: LocalMember): { rules: RoomVersionRules | undefined; servers: Set<ServerName> } {
    const { interning, roomState, events } = this.#uses;
    const stripped = roomState.stripped(user, room);
    const state = stripped === undefined ? [] : (JSON.parse(stripped) as JsonValue[]);
    const version = roomState.info(room)?.version ?? versionIn(state);
    const row = events.row(event);
    const inviter = row === undefined ? [] : [serverOf(interning.userId(row.sender))];
    return {
      rules: version === undefined ? undefined : roomVersionRules(version),
      servers: new Set([...inviter, ...serversInStripped(state)]),
    };
  }

  #end({ user, room, rules }: Waiting, event: VerifiedEvent): Fate {
    const { db, interning, events, input, roomState, pushCounts, streams } = this.#uses;
    const membership = membershipCode(event.pdu.content['membership']);
    const target = event.pdu.state_key;
    if (membership === undefined || target === undefined || interning.findUser(target) !== user) {
      return { outcome: 'dropped', reason: notInRoom };
    }
    return db.write<Fate>(() => {
      const nid = interning.event(event.eventId);
      if (events.row(nid) !== undefined) return { outcome: 'duplicate', nid, before: undefined };
      input.commit({
        room,
        rules,
        event,
        nid,
        outcome: 'outlier',
        // Whether it was allowed is found out when the room is known: until then it is nobody's auth event.
        rejected: true,
        before: undefined,
        prevEvents: refIds(event.pdu.prev_events).map((id) => interning.event(id)),
        authEvents: [],
      });
      const pos = streams.next();
      roomState.setLocalMember({ user, room, membership, event: nid, pos });
      pushCounts.clear(user, room, pos);
      streams.touchUser(user);
      return { outcome: 'accepted', nid, before: undefined };
    });
  }
}

const isWaiting = (membership: MembershipCode) => membership === memberships.invite || membership === memberships.knock;

/** A member event by which somebody else, or nobody knows who, takes an invite or a knock back. */
function endOf(value: unknown): { readonly target: UserId; readonly sender: UserId } | undefined {
  if (!isJsonObject(value) || value['type'] !== 'm.room.member') return undefined;
  const { state_key: target, sender, content } = value;
  if (typeof target !== 'string' || typeof sender !== 'string' || !isJsonObject(content)) return undefined;
  const ends = content['membership'] === 'leave' || content['membership'] === 'ban';
  return ends && isUserId(target) && isUserId(sender) ? { target, sender } : undefined;
}

function versionIn(state: readonly JsonValue[]): string | undefined {
  const create = state.find((event) => isJsonObject(event) && event['type'] === 'm.room.create');
  if (!isJsonObject(create) || !isJsonObject(create['content'])) return undefined;
  const version = create['content']['room_version'] ?? '1';
  return typeof version === 'string' ? version : undefined;
}

/** Without the room's version only the ID that an event gives itself can be told. */
function ownId(value: unknown): EventId[] {
  const id = isJsonObject(value) ? value['event_id'] : undefined;
  return typeof id === 'string' && isEventId(id) ? [id] : [];
}
