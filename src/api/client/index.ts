import type { Endpoint } from '../http/types.ts';
import type { Services } from '../services.ts';
import { accountApiEndpoints } from './account/endpoints.ts';
import { adminEndpoints } from './admin/accounts.ts';
import { directoryEndpoints } from './directory/endpoints.ts';
import { e2eeEndpoints } from './e2ee/endpoints.ts';
import { openIdEndpoints } from './elsewhere/openid.ts';
import { thirdPartyEndpoints } from './elsewhere/third-party-networks.ts';
import { turnServer } from './elsewhere/turn-server.ts';
import { downloadEndpoints } from './media/download.ts';
import { frozenEndpoints } from './media/frozen.ts';
import { uploadEndpoints } from './media/upload.ts';
import { notificationEndpoint } from './push/notifications.ts';
import { pusherEndpoints } from './push/pushers.ts';
import { delayedEventEndpoints } from './rooms/delayed-events.ts';
import { roomEndpoints } from './rooms/endpoints.ts';
import { reportEndpoints } from './rooms/report.ts';
import { searchEvents } from './search/search.ts';
import { oldSyncEndpoints } from './sync/old-sync.ts';
import { presenceEndpoints } from './sync/presence.ts';
import { pushRuleEndpoints } from './sync/push-rules.ts';
import { receiptEndpoints } from './sync/receipts.ts';
import { syncEndpoints } from './sync/sync.ts';
import { typingEndpoints } from './sync/typing.ts';

/** Every endpoint of the Client-Server API. */
export function clientEndpoints(services: Services): Endpoint[] {
  return [
    ...accountApiEndpoints(services),
    ...adminEndpoints(services),
    turnServer(services),
    ...openIdEndpoints(services),
    ...thirdPartyEndpoints(),
    ...roomEndpoints(services),
    ...reportEndpoints(services),
    ...delayedEventEndpoints(services),
    ...directoryEndpoints(services),
    ...(services.search === undefined ? [] : [searchEvents(services.search)]),
    ...syncEndpoints(services),
    ...oldSyncEndpoints(services),
    ...e2eeEndpoints(services),
    ...receiptEndpoints(services),
    ...typingEndpoints(services),
    ...presenceEndpoints(services),
    ...pushRuleEndpoints(services),
    ...pusherEndpoints(services),
    notificationEndpoint(services),
    ...uploadEndpoints(services),
    ...downloadEndpoints(services),
    ...frozenEndpoints(),
  ];
}
