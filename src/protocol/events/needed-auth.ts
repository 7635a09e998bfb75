import { createOfRoomId } from '../ids/room-id.ts';
import type { EventId, RoomId } from '../ids/types.ts';
import type { RoomVersionRules } from '../room-versions.ts';
import type { BuiltEvent } from './build.ts';
import { refIds } from './pdu.ts';

/** What has to be known before an event can be judged: what it cites, and in room version 12 the create event. */
export function neededAuthEvents(
  rules: RoomVersionRules,
  roomId: RoomId,
  { pdu, eventId }: Pick<BuiltEvent, 'pdu' | 'eventId'>,
): EventId[] {
  const cited = refIds(pdu.auth_events);
  const create = rules.createInAuthEvents ? undefined : createOfRoomId(roomId);
  return create === undefined || create === eventId ? cited : [create, ...cited];
}
