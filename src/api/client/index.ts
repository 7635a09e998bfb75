import type { Endpoint } from '../http/types.ts';
import type { Services } from '../services.ts';

/** Every endpoint of the Client-Server API. */
export function clientEndpoints(_services: Services): Endpoint[] {
  return [];
}
