import { MatrixError } from '../../protocol/errors.ts';
import { asRoomId, roomIdOfCreate } from '../../protocol/ids/room-id.ts';
import type { RoomId, ServerName, UserId } from '../../protocol/ids/types.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import type { Streams } from '../../streams/streams.ts';
import { type Random, randomLetters } from '../../util/random.ts';
import type { KnownRoom } from '../known-rooms.ts';
import type { StateDraft } from '../send/draft.ts';
import type { LocalEvent, LocalEvents } from '../send/local-events.ts';
import type { LocalInput } from '../send/local-input.ts';

export interface OpeningUses {
  readonly interning: Interning;
  readonly roomState: RoomStateStore;
  readonly streams: Streams;
  readonly localEvents: LocalEvents;
  readonly localInput: LocalInput;
  readonly random: Random;
  readonly serverName: ServerName;
}

/** A room that is not yet there. */
export interface Opening {
  readonly roomId: RoomId;
  readonly event: LocalEvent;
}

/** Begins new rooms. */
export class RoomOpening {
  readonly #uses: OpeningUses;

  constructor(uses: OpeningUses) {
    this.#uses = uses;
  }

  /** An ID for a new room of a version whose room IDs are chosen by the server. */
  newRoomId(): RoomId {
    return asRoomId(`!${randomLetters(this.#uses.random, 18)}:${this.#uses.serverName}`);
  }

  /**
   * Inside a write: opens a room with its create event, whose hash is the room's ID from room version 12 on; before that
   * the ID is `chosen`. 403 M_FORBIDDEN where the auth rules refuse the event
   */
  open(creator: UserId, draft: StateDraft, rules: RoomVersionRules, chosen?: RoomId): KnownRoom {
    return this.openWith(this.createEvent(creator, draft, rules, chosen), rules);
  }

  /** Inside a write: a create event that is not yet anybody's. What else has to name the room may be made before it. */
  createEvent(creator: UserId, draft: StateDraft, rules: RoomVersionRules, chosen?: RoomId): Opening {
    const { interning, localEvents } = this.#uses;
    const ownId = rules.roomIdIsCreateHash ? undefined : (chosen ?? this.newRoomId());
    const build = (delay: number): LocalEvent =>
      localEvents.build(creator, draft, {
        rules,
        ...(ownId === undefined ? {} : { roomId: ownId }),
        prevEvents: [],
        state: () => undefined,
        delay,
      });
    let event = build(0);
    // Two equal requests within a millisecond would make the same create event, and so the same room.
    for (let delay = 1; interning.findEvent(event.eventId) !== undefined; delay++) event = build(delay);
    return { event, roomId: ownId ?? roomIdOfCreate(event.eventId) };
  }

  /** Inside a write: opens the room. Errors as with `open`, and 409 M_UNKNOWN where there is such a room meanwhile. */
  openWith({ event, roomId }: Opening, rules: RoomVersionRules): KnownRoom {
    const { interning, localInput, roomState, streams } = this.#uses;
    if (interning.findEvent(event.eventId) !== undefined) {
      throw new MatrixError(409, 'M_UNKNOWN', 'The same room was made at the same time');
    }
    const room: KnownRoom = { nid: interning.room(roomId), roomId, rules };
    const pos = streams.next();
    roomState.createRoom(room.nid, rules.version, pos);
    localInput.begin(room, event, pos);
    return room;
  }
}
