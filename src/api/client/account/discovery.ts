import { supportedRoomVersions } from '../../../protocol/room-versions.ts';
import { maxScheduled } from '../../../rooms/send/delayed-events.ts';
import type { JsonObject } from '../../../util/json.ts';
import { endpoint } from '../../http/endpoint.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { AccountServices, ServerInfo } from '../../services.ts';

/** Old bots look for an `r0`; what was removed since then is served in its old form too, so these are no lie. */
const oldVersions = ['r0.0.1', 'r0.1.0', 'r0.2.0', 'r0.3.0', 'r0.4.0', 'r0.5.0', 'r0.6.0', 'r0.6.1'];
const newestMinor = 19;
/** Features under the names of their proposals, which clients in use look for although they stand in the specification. */
const unstableFeatures = {
  'uk.half-shot.msc2666.query_mutual_rooms': true,
  'uk.half-shot.msc2666.query_mutual_rooms.stable': true,
  // Jumping to a date.
  'org.matrix.msc3030': true,
  // Pushers can be turned off, and say which device they are of.
  'org.matrix.msc3881': true,
  'org.matrix.msc3814': true,
  // A place for devices that sign in by a QR code.
  'org.matrix.msc4108': true,
  // Delayed events.
  'org.matrix.msc4140': true,
};
const versionList = [...oldVersions, ...Array.from({ length: newestMinor }, (_, i) => `v1.${i + 1}`)];

/** `/.well-known/matrix/client`; `undefined` if the server has not been told its public address. */
export function clientDiscovery({ publicUrl }: ServerInfo): JsonObject | undefined {
  return publicUrl === undefined ? undefined : { 'm.homeserver': { base_url: publicUrl } };
}

/**
 * `GET /_matrix/client/versions`
 * The versions of the specification that clients may count on.
 * 200 `{ versions, unstable_features }`
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientversions
 */
const versions = (): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/versions',
    auth: 'none',
    body: 'none',
    handler: () => json({ versions: versionList, unstable_features: unstableFeatures }),
  });

/** Whoever may not do it is told nothing of it. */
const forAdmins = { 'm.account_moderation': { suspend: true, lock: true } };

/**
 * `GET /_matrix/client/v3/capabilities`
 * What this user may do on this server.
 * 200 `{ capabilities }`
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3capabilities
 */
const capabilities = ({ server, mailAddresses }: AccountServices): Endpoint => {
  const answer = {
    capabilities: {
      'm.change_password': { enabled: true },
      'm.room_versions': {
        default: server.defaultRoomVersion,
        available: Object.fromEntries(supportedRoomVersions.map((version) => [version, 'stable'])),
      },
      'm.profile_fields': { enabled: true },
      'm.set_displayname': { enabled: true },
      'm.set_avatar_url': { enabled: true },
      'm.3pid_changes': { enabled: mailAddresses.enabled },
      'm.get_login_token': { enabled: true },
      'org.matrix.msc4140.delayed_events': { max_delay_ms: server.maxDelay, max_scheduled: maxScheduled },
      'm.forget_forced_upon_leave': { enabled: false },
    },
  };
  return endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/capabilities',
    auth: 'user',
    body: 'none',
    limit: 'reading',
    handler: ({ requester }) =>
      json(requester.admin ? { capabilities: { ...answer.capabilities, ...forAdmins } } : answer),
  });
};

export const discoveryEndpoints = (services: AccountServices): Endpoint[] => [versions(), capabilities(services)];
