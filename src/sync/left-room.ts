import type { RoomView } from '../rooms/read/visibility.ts';
import type { EventStore } from '../store/events/event-store.ts';
import { memberships } from '../store/events/membership.ts';
import type { LocalMember } from '../store/state/local-members.ts';
import type { RoomInfo } from '../store/state/room-info.ts';
import { audienceOf, type JoinedRooms, type RoomSections, separated } from './joined-room.ts';
import type { Turn } from './turn.ts';

export interface LeftRoomUses extends RoomSections {
  readonly events: EventStore;
  readonly joined: JoinedRooms;
}

/** Writes the entries of `rooms.leave`: rooms that the user has left, was kicked or banned from, or did not want to join. */
export class LeftRooms {
  readonly #uses: LeftRoomUses;

  constructor(uses: LeftRoomUses) {
    this.#uses = uses;
  }

  /** The room's entry in pieces: what the user was still there to see. */
  *entry(turn: Turn, member: LocalMember): Generator<string> {
    const { roomState, interning, visibility, timelines, joined } = this.#uses;
    const { room } = member;
    const info = roomState.info(room);
    yield `${JSON.stringify(interning.roomId(room))}:{`;
    if (info === undefined) {
      // An invite to a room that was never ours to read has been declined or taken back.
      yield `"timeline":{"events":[],"limited":false},"${turn.stateSection}":{"events":[]}}`;
      return;
    }
    const view = visibility.view(room, turn.user);
    const audience = audienceOf(turn, view);
    const since = turn.initial ? undefined : turn.from;
    const batch = timelines.read(turn, { info, view, since, upTo: member.pos, own: member.event });
    yield `"timeline":${joined.timeline(batch, audience, turn.broken)},"${turn.stateSection}":{"events":[`;
    yield* separated(this.#state(turn, info, view, { batch, audience }));
    yield ']}';
    const accountData = joined.accountData(turn, room, turn.initial);
    if (accountData !== '') yield `,"account_data":{"events":[${accountData}]}`;
    yield '}';
  }

  /** The state up to the moment when the user left; nothing for a user who never was in the room. */
  #state(
    turn: Turn,
    info: RoomInfo,
    view: RoomView,
    shown: Pick<Parameters<RoomSections['states']['texts']>[1], 'batch' | 'audience'>,
  ): Iterable<string> {
    const { states, stateLog } = this.#uses;
    const upTo = view.leftAt;
    if (upTo === undefined || upTo <= turn.from) return [];
    const whole = turn.initial || turn.fullState || !this.#wasJoined(turn, info);
    const batch = shown.batch.start > upTo ? { ...shown.batch, start: upTo } : shown.batch;
    return states.texts(turn, {
      info,
      audience: shown.audience,
      batch,
      delta: whole ? undefined : stateLog.changesBetween(info.line, turn.from, upTo),
      from: turn.from,
      upTo,
      people: [turn.user],
    });
  }

  /** Whether the client has been told of the room as joined. */
  #wasJoined(turn: Turn, info: RoomInfo): boolean {
    const { interning, stateLog, events } = this.#uses;
    const key = interning.findStateKey('m.room.member', turn.userId);
    const event = key === undefined ? undefined : stateLog.at({ line: info.line, pos: turn.from }, key);
    return event !== undefined && events.row(event)?.membership === memberships.join;
  }
}
