import { invalidParam, tooLarge } from '../../../protocol/errors.ts';
import { roomIdOf } from '../../../protocol/events/client-event.ts';
import { type ReceivedEvent, readEvent } from '../../../protocol/events/read.ts';
import type { RoomId, ServerName } from '../../../protocol/ids/types.ts';
import { serverOf } from '../../../protocol/ids/user-id.ts';
import type { RoomVersionRules } from '../../../protocol/room-versions.ts';

/** What a member event that another server hands in has to be. */
export interface Expected {
  readonly membership: 'join' | 'leave' | 'knock' | 'invite';
  readonly roomId: RoomId;
  /** As in the path. */
  readonly eventId: string;
  /** Whose user has to have sent it. */
  readonly origin: ServerName;
}

/**
 * Reads a member event that came outside of a transaction, before anything is signed or looked up because of it.
 * Throws 400 M_INVALID_PARAM where it is not what the path says or no event at all · 413 M_TOO_LARGE
 */
export function readHandedIn(value: unknown, rules: RoomVersionRules, expected: Expected): ReceivedEvent {
  const read = readEvent(value, rules);
  if (!read.ok) {
    const { field, reason, tooLarge: isLarge } = read.problem;
    throw (isLarge ? tooLarge : invalidParam)(`The event's ${field} ${reason}`);
  }
  const { event } = read;
  const { pdu } = event;
  if (!event.contentHashMatches) throw invalidParam("The event's content hash does not fit");
  if (event.eventId !== expected.eventId) throw invalidParam('The event has another ID than the path says');
  if (roomIdOf(pdu, event.eventId) !== expected.roomId) throw invalidParam('The event is of another room');
  if (pdu.type !== 'm.room.member') throw invalidParam('The event is no member event');
  if (pdu.content['membership'] !== expected.membership) {
    throw invalidParam(`The event's membership is not ${expected.membership}`);
  }
  if (serverOf(pdu.sender) !== expected.origin) throw invalidParam("The event's sender is not a user of your server");
  if (expected.membership !== 'invite' && pdu.state_key !== pdu.sender) {
    throw invalidParam("The event's state key is not its sender");
  }
  return event;
}
