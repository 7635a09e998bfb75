import type { Endpoint } from '../http/types.ts';
import type { Services } from '../services.ts';
import { pushRuleEndpoints } from './sync/push-rules.ts';
import { receiptEndpoints } from './sync/receipts.ts';
import { syncEndpoints } from './sync/sync.ts';
import { typingEndpoints } from './sync/typing.ts';

/** Every endpoint of the Client-Server API. */
export function clientEndpoints(services: Services): Endpoint[] {
  return [
    ...syncEndpoints(services),
    ...receiptEndpoints(services),
    ...typingEndpoints(services),
    ...pushRuleEndpoints(services),
  ];
}
