import type { Endpoint } from '../http/types.ts';
import type { Services } from '../services.ts';
import { directoryEndpoints } from './directory/endpoints.ts';
import { deviceListEndpoint } from './e2ee/devices.ts';
import { userKeyEndpoints } from './e2ee/keys.ts';
import { keyEndpoints } from './keys/endpoints.ts';
import { mediaEndpoints } from './media/download.ts';
import { roomEndpoints } from './rooms/endpoints.ts';
import { sendEndpoint } from './send.ts';
import { versionEndpoint } from './server/version.ts';

/** Every endpoint of the Server-Server API; without federation only those that tell what this server is. */
export function federationEndpoints(services: Services): Endpoint[] {
  const always = [versionEndpoint(), ...keyEndpoints(services)];
  if (!services.federation.enabled) return always;
  return [
    ...always,
    ...roomEndpoints(services),
    deviceListEndpoint(services),
    ...userKeyEndpoints(services),
    ...directoryEndpoints(services),
    ...mediaEndpoints(services),
    sendEndpoint(services),
  ];
}
