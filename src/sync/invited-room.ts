import { shownAtTheDoor } from '../rooms/membership/shown-at-the-door.ts';
import type { EventStore } from '../store/events/event-store.ts';
import { memberships } from '../store/events/membership.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { EventNid, RoomNid } from '../store/nids.ts';
import type { LocalMember } from '../store/state/local-members.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';
import type { People } from '../users/profiles/people.ts';
import type { Turn } from './turn.ts';

export interface InvitedRoomUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly roomState: RoomStateStore;
  readonly people: Pick<People, 'blocksInvites'>;
}

/** Writes the entries of `rooms.invite` and `rooms.knock`. */
export class InvitedRooms {
  readonly #uses: InvitedRoomUses;

  constructor(uses: InvitedRoomUses) {
    this.#uses = uses;
  }

  /** The room's entry; '' for an invite from somebody whom the user ignores, and for any while the user wants none. */
  entry(turn: Turn, member: LocalMember): string {
    const { interning, events, roomState } = this.#uses;
    const sender = events.row(member.event)?.sender;
    const isInvite = member.membership === memberships.invite;
    if (isInvite && sender !== undefined && turn.ignored.has(sender)) return '';
    if (isInvite && this.#uses.people.blocksInvites(turn.userId)) return '';
    const state = roomState.stripped(member.user, member.room) ?? this.#current(member.room, member.event);
    const section = isInvite ? 'invite_state' : 'knock_state';
    return `${JSON.stringify(interning.roomId(member.room))}:{"${section}":{"events":${state}}}`;
  }

  /** The stripped state of a room of ours, with the user's own member event. */
  #current(room: RoomNid, own: EventNid): string {
    const { roomState, events } = this.#uses;
    const nids = shownAtTheDoor.map((key) => roomState.current(room, key)).filter((nid) => nid !== undefined);
    const bodies = events.bares([...nids, own]);
    const stripped = [...nids, own].map((nid) => {
      const { type, state_key, sender, content } = bodies.get(nid) ?? {};
      return { type, state_key, sender, content };
    });
    return JSON.stringify(stripped);
  }
}
