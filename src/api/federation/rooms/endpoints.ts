import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { backfill, missingEvents } from './backfill.ts';
import { event, eventAuth, timestampToEvent } from './event.ts';
import { invite, inviteInList } from './invite.ts';
import { makeKnock } from './knock.ts';
import { makeLeave } from './leave.ts';
import { makeJoin } from './make-join.ts';
import { roomState, roomStateIds } from './state.ts';

/** Rooms, for other servers. */
export function roomEndpoints(services: Services): Endpoint[] {
  return [
    makeJoin(services),
    makeLeave(services),
    makeKnock(services),
    invite(services),
    inviteInList(services),
    roomState(services),
    roomStateIds(services),
    event(services),
    eventAuth(services),
    timestampToEvent(services),
    backfill(services),
    missingEvents(services),
  ];
}
