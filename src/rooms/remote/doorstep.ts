import { MatrixError } from '../../protocol/errors.ts';
import type { BuiltEvent } from '../../protocol/events/build.ts';
import { isStrippedState, strippedState } from '../../protocol/events/client-event.ts';
import { type Pdu, refIds } from '../../protocol/events/pdu.ts';
import type { RoomId, ServerName, UserId } from '../../protocol/ids/types.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import type { Database } from '../../store/db.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import { type MembershipCode, memberships } from '../../store/events/membership.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { EventNid, RoomNid, UserNid } from '../../store/nids.ts';
import type { PushCountStore } from '../../store/push/push-counts.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import type { Streams } from '../../streams/streams.ts';
import { millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import type { JsonObject, JsonValue } from '../../util/json.ts';
import type { Log } from '../../util/log.ts';
import type { RoomInput } from '../input/input.ts';
import { askInTurn, type Handshakes, isFailure } from './handshakes.ts';
import type { SignedWish, Wish } from './template.ts';

export interface DoorstepUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly events: EventStore;
  readonly roomState: RoomStateStore;
  readonly pushCounts: PushCountStore;
  readonly streams: Streams;
  readonly clock: Clock;
  readonly log: Log;
  readonly input: RoomInput;
  readonly handshakes: Handshakes;
}

/** One of our users and a room that none of ours is in. */
export interface Outsider {
  readonly user: UserNid;
  readonly userId: UserId;
  readonly roomId: RoomId;
  readonly servers: readonly ServerName[];
  /** What the event is to say besides the membership. */
  readonly said: Readonly<JsonObject>;
}

/** All servers together: a person waits. */
const longestAsking = millis(60_000);
/** What is kept of a room's stripped state: room enough for long topics. */
const maxEntries = 64;
const maxCharacters = 64 * 1024;

/** What our users do about rooms that none of them is in: knock, take it back, decline an invite. */
export class Doorstep {
  readonly #uses: DoorstepUses;

  constructor(uses: DoorstepUses) {
    this.#uses = uses;
  }

  /**
   * Asks to be let in. Throws what the client is told if no server takes the knock.
   * @see https://spec.matrix.org/v1.19/server-server-api/#knocking-rooms
   */
  async knock(outsider: Outsider): Promise<void> {
    const { made, answer } = await this.#ask(outsider, 'knock');
    const stripped = strippedTexts(answer['knock_room_state'], made.event.pdu);
    await this.#uses.db.durable<void>(() => this.#keep(outsider, memberships.knock, made, stripped));
  }

  /**
   * Declines an invite or takes a knock back. If no server takes it, the user is rid of the room all the same: nobody
   * is bound to an invite because a server is gone.
   * @see https://spec.matrix.org/v1.19/server-server-api/#leaving-rooms-rejecting-invites
   */
  async leave(outsider: Outsider): Promise<void> {
    const { db, log } = this.#uses;
    let made: SignedWish | undefined;
    try {
      ({ made } = await this.#ask(outsider, 'leave'));
    } catch (error) {
      log[error instanceof MatrixError ? 'info' : 'error']('rooms.left_alone', {
        roomId: outsider.roomId,
        cause: error,
      });
    }
    await db.durable<void>(() => this.#keep(outsider, memberships.leave, made));
  }

  async #ask(
    { roomId, userId, servers, said }: Outsider,
    kind: 'knock' | 'leave',
  ): Promise<{ made: SignedWish; answer: JsonObject }> {
    const { handshakes, clock } = this.#uses;
    const abort = new AbortController();
    const cancel = clock.after(longestAsking, () => abort.abort());
    const wish: Wish = { kind, roomId, userId, said };
    const attempt = async (server: ServerName) => {
      const made = await handshakes.make(server, wish, abort.signal);
      if (isFailure(made)) return made;
      const answer = await handshakes.send(server, wish, made, abort.signal);
      return answer.ok ? { made, answer: answer.value } : answer;
    };
    try {
      return await askInTurn(servers, attempt, abort.signal);
    } finally {
      cancel();
    }
  }

  /** Without an event of the leave the membership ends with the event it had. */
  #keep({ user, roomId }: Outsider, membership: MembershipCode, made?: SignedWish, stripped?: string): void {
    const { interning, roomState, pushCounts, streams } = this.#uses;
    const room = interning.room(roomId);
    const present = roomState.localMember(user, room);
    // Somebody of ours may have entered the room meanwhile, or the user been let in: then the room's state counts.
    if (present?.membership === memberships.join) return;
    const event = made === undefined ? present?.event : this.#store(room, made.rules, made.event);
    if (event === undefined) return;
    const pos = streams.next();
    roomState.setLocalMember({ user, room, membership, event, pos }, stripped);
    // The invite was unread.
    if (membership === memberships.leave) pushCounts.clear(user, room, pos);
    streams.touchUser(user);
  }

  /** Whether it was allowed is found out when the room is known: until then it is nobody's auth event. */
  #store(room: RoomNid, rules: RoomVersionRules, event: BuiltEvent): EventNid {
    const { interning, events, input } = this.#uses;
    const nid = interning.event(event.eventId);
    if (events.row(nid) !== undefined) return nid;
    const prevEvents = refIds(event.pdu.prev_events).map((id) => interning.event(id));
    const outlier = { outcome: 'outlier', rejected: true, before: undefined, prevEvents, authEvents: [] } as const;
    input.commit({ room, rules, event, nid, ...outlier });
    return nid;
  }
}

/** What the server shows of the room, and the knock itself: a JSON array. */
function strippedTexts(given: JsonValue | undefined, own: Pdu): string {
  const entries = Array.isArray(given) ? given.slice(0, maxEntries).filter(isStrippedState) : [];
  const stripped = entries.map((entry) => strippedState(entry as unknown as Pdu));
  const others = stripped.filter(({ type, state_key }) => type !== own.type || state_key !== own.state_key);
  const text = JSON.stringify([...others, strippedState(own)]);
  return text.length > maxCharacters ? JSON.stringify([strippedState(own)]) : text;
}
