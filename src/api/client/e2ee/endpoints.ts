import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { backupKeyEndpoints } from './backup-keys.ts';
import { backupVersionEndpoints } from './backup-versions.ts';
import { crossSigningEndpoints } from './cross-signing.ts';
import { dehydratedDeviceEndpoints } from './dehydrated-device.ts';
import { keyEndpoints } from './keys.ts';
import { rendezvousEndpoints } from './rendezvous.ts';
import { toDeviceEndpoints } from './to-device.ts';

/** Everything for end-to-end encryption. */
export const e2eeEndpoints = (services: Services): Endpoint[] => [
  ...keyEndpoints(services),
  ...toDeviceEndpoints(services),
  ...crossSigningEndpoints(services),
  ...backupVersionEndpoints(services),
  ...backupKeyEndpoints(services),
  ...dehydratedDeviceEndpoints(services),
  ...rendezvousEndpoints(services),
];
