import type { Endpoint } from '../http/types.ts';
import type { Services } from '../services.ts';
import { accountEndpoints } from './account/account.ts';
import { accountDataEndpoints } from './account/account-data.ts';
import { deviceEndpoints } from './account/devices.ts';
import { discoveryEndpoints } from './account/discovery.ts';
import { filterEndpoints } from './account/filter.ts';
import { loginEndpoints } from './account/login.ts';
import { logoutEndpoints } from './account/logout.ts';
import { profileEndpoints } from './account/profile.ts';
import { registerEndpoints } from './account/register.ts';
import { sharedSecretEndpoints } from './account/shared-secret.ts';
import { tagEndpoints } from './account/tags.ts';
import { uiaFallbackEndpoints } from './account/uia-fallback.ts';
import { roomEndpoints } from './rooms/endpoints.ts';
import { pushRuleEndpoints } from './sync/push-rules.ts';
import { receiptEndpoints } from './sync/receipts.ts';
import { syncEndpoints } from './sync/sync.ts';
import { typingEndpoints } from './sync/typing.ts';

/** Every endpoint of the Client-Server API. */
export function clientEndpoints(services: Services): Endpoint[] {
  return [
    ...accountEndpoints(services),
    ...accountDataEndpoints(services),
    ...deviceEndpoints(services),
    ...discoveryEndpoints(services),
    ...filterEndpoints(services),
    ...loginEndpoints(services),
    ...logoutEndpoints(services),
    ...profileEndpoints(services),
    ...registerEndpoints(services),
    ...sharedSecretEndpoints(services),
    ...tagEndpoints(services),
    ...uiaFallbackEndpoints(services),
    ...roomEndpoints(services),
    ...syncEndpoints(services),
    ...receiptEndpoints(services),
    ...typingEndpoints(services),
    ...pushRuleEndpoints(services),
  ];
}
