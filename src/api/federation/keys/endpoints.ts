import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { ownKeyEndpoints } from './own-keys.ts';

export function keyEndpoints(services: Services): Endpoint[] {
  return [...ownKeyEndpoints(services)];
}
