import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { backfill, missingEvents } from './backfill.ts';
import { event, eventAuth, timestampToEvent } from './event.ts';
import { invite, inviteInList } from './invite.ts';
import { makeKnock, sendKnock } from './knock.ts';
import { makeLeave, sendLeave, sendLeaveInList } from './leave.ts';
import { makeJoin } from './make-join.ts';
import { sendJoin, sendJoinInList } from './send-join.ts';
import { roomState, roomStateIds } from './state.ts';
import { exchangeThirdPartyInvite, thirdPartyBound } from './third-party-invite.ts';

/** Rooms, for other servers. */
export function roomEndpoints(services: Services): Endpoint[] {
  return [
    makeJoin(services),
    sendJoin(services),
    sendJoinInList(services),
    makeLeave(services),
    sendLeave(services),
    sendLeaveInList(services),
    makeKnock(services),
    sendKnock(services),
    invite(services),
    inviteInList(services),
    exchangeThirdPartyInvite(services),
    thirdPartyBound(services),
    roomState(services),
    roomStateIds(services),
    event(services),
    eventAuth(services),
    timestampToEvent(services),
    backfill(services),
    missingEvents(services),
  ];
}
