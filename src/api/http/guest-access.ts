import { MatrixError } from '../../protocol/errors.ts';
import type { Method } from './types.ts';

/** What guests may call besides what needs no token at all: the list of the specification, and the way out. */
const open: ReadonlySet<string> = new Set([
  'GET /_matrix/client/v3/rooms/{roomId}/state',
  'GET /_matrix/client/v3/rooms/{roomId}/context/{eventId}',
  'GET /_matrix/client/v3/rooms/{roomId}/event/{eventId}',
  'GET /_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}',
  'GET /_matrix/client/v3/rooms/{roomId}/messages',
  'GET /_matrix/client/v3/rooms/{roomId}/members',
  'GET /_matrix/client/v3/rooms/{roomId}/initialSync',
  'GET /_matrix/client/v3/sync',
  'GET /_matrix/client/v3/events',
  'GET /_matrix/client/v1/media/download/{serverName}/{mediaId}',
  'GET /_matrix/client/v1/media/download/{serverName}/{mediaId}/{fileName}',
  'GET /_matrix/client/v1/media/thumbnail/{serverName}/{mediaId}',
  'POST /_matrix/client/v3/rooms/{roomId}/join',
  'POST /_matrix/client/v3/rooms/{roomId}/leave',
  'PUT /_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}',
  'PUT /_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}',
  'PUT /_matrix/client/v3/sendToDevice/{eventType}/{txnId}',
  'PUT /_matrix/client/v3/profile/{userId}/{keyName}',
  'DELETE /_matrix/client/v3/profile/{userId}/{keyName}',
  'GET /_matrix/client/v3/devices',
  'GET /_matrix/client/v3/devices/{deviceId}',
  'PUT /_matrix/client/v3/devices/{deviceId}',
  'GET /_matrix/client/v3/account/whoami',
  'POST /_matrix/client/v3/keys/upload',
  'POST /_matrix/client/v3/keys/query',
  'POST /_matrix/client/v3/keys/claim',
  'POST /_matrix/client/v3/logout',
  // Calls of guests have to end, too.
  'PUT /_matrix/client/unstable/org.matrix.msc4140/rooms/{roomId}/delayed_event/{eventType}/{txnId}',
  'GET /_matrix/client/unstable/org.matrix.msc4140/delayed_events',
  'GET /_matrix/client/unstable/org.matrix.msc4140/delayed_events/{delayId}',
]);

/**
 * 403 M_GUEST_ACCESS_FORBIDDEN for what guests may not call.
 * @see https://spec.matrix.org/v1.19/client-server-api/#guest-access
 */
export function checkGuest(method: Method, path: string): void {
  if (open.has(`${method} ${path}`)) return;
  throw new MatrixError(403, 'M_GUEST_ACCESS_FORBIDDEN', 'Guests cannot do this');
}
