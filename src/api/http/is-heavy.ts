import type { Query } from './query.ts';

/** What may answer with megabytes, or reads as much to answer; and what brings them. */
const heavy = new Set([
  'GET /_matrix/client/v3/rooms/{roomId}/members',
  'GET /_matrix/client/v3/rooms/{roomId}/joined_members',
  'GET /_matrix/client/v3/rooms/{roomId}/state',
  'GET /_matrix/client/v1/rooms/{roomId}/hierarchy',
  'POST /_matrix/client/v3/search',
  'GET /_matrix/client/v3/room_keys/keys',
  'POST /_matrix/media/v3/upload',
  'PUT /_matrix/media/v3/upload/{serverName}/{mediaId}',
  'PUT /_matrix/federation/v1/send_join/{roomId}/{eventId}',
  'PUT /_matrix/federation/v2/send_join/{roomId}/{eventId}',
  'GET /_matrix/federation/v1/state/{roomId}',
  'GET /_matrix/federation/v1/state_ids/{roomId}',
  'GET /_matrix/federation/v1/event_auth/{roomId}/{eventId}',
  'GET /_matrix/federation/v1/backfill/{roomId}',
  'GET /_matrix/federation/v1/hierarchy/{roomId}',
]);

/** Whether a request is put off while next to no memory is left. A first `/sync` brings all rooms, those after it little. */
export function isHeavy(method: string, path: string, query: Query): boolean {
  if (method === 'GET' && path === '/_matrix/client/v3/sync') return query.get('since') === undefined;
  return heavy.has(`${method} ${path}`);
}
