import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { ownKeyEndpoints } from './own-keys.ts';
import { queryMany, queryOne } from './query.ts';

/** What this server signs with, and what others sign with. */
export function keyEndpoints(services: Services): Endpoint[] {
  return [...ownKeyEndpoints(services), ...queryOne(services), queryMany(services)];
}
