import * as v from 'valibot';
import type { RoomSessions, SessionData } from '../../../e2ee/backups.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { json, streamedJson } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { objectSchema, recordOf } from './schemas.ts';

/** Clients back up a hundred sessions at a time, of about one kB each. */
const maxBody = 4 * 1024 * 1024;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const sessionSchema = v.looseObject({
  first_message_index: count,
  forwarded_count: count,
  is_verified: v.boolean(),
  session_data: objectSchema,
});

const sessionsSchema = v.looseObject({ sessions: recordOf(sessionSchema) });
const roomsSchema = v.looseObject({ rooms: recordOf(sessionsSchema) });

const sessionsOf = ({ sessions }: { sessions: Record<string, unknown> }) => sessions as Record<string, SessionData>;

const session = '/_matrix/client/v3/room_keys/keys/{roomId}/{sessionId}';
const room = '/_matrix/client/v3/room_keys/keys/{roomId}';
const all = '/_matrix/client/v3/room_keys/keys';

/**
 * `PUT /_matrix/client/v3/room_keys/keys/{roomId}/{sessionId}`
 * Keeps the key of a session unless a better one is there.
 * 200 `{ etag, count }` · 403 M_WRONG_ROOM_KEYS_VERSION with `current_version` · 404 M_NOT_FOUND no backup ·
 * 400 M_MISSING_PARAM, M_BAD_JSON, M_INVALID_PARAM · 413 M_TOO_LARGE
 * @see https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3room_keyskeysroomidsessionid
 */
const putSession = ({ e2ee }: Services): Endpoint =>
  endpoint({
    method: 'PUT',
    path: session,
    auth: 'user',
    body: 'json',
    limit: 'reading',
    async handler({ requester, params, query, body }) {
      const data = parse(sessionSchema, body) as unknown as SessionData;
      const rooms: RoomSessions = { [params.roomId]: Object.fromEntries([[params.sessionId, data]]) };
      return json(await e2ee.backups.put(requester.user, query.required('version'), rooms));
    },
  });

/**
 * `PUT /_matrix/client/v3/room_keys/keys/{roomId}`
 * The same for several sessions of a room.
 * 200 `{ etag, count }` · errors as above
 * @see https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3room_keyskeysroomid
 */
const putRoom = ({ e2ee }: Services): Endpoint =>
  endpoint({
    method: 'PUT',
    path: room,
    auth: 'user',
    body: 'json',
    limit: 'reading',
    maxBody,
    async handler({ requester, params, query, body }) {
      const rooms = { [params.roomId]: sessionsOf(parse(sessionsSchema, body)) };
      return json(await e2ee.backups.put(requester.user, query.required('version'), rooms));
    },
  });

/**
 * `PUT /_matrix/client/v3/room_keys/keys`
 * The same for several rooms.
 * 200 `{ etag, count }` · errors as above
 * @see https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3room_keyskeys
 */
const putAll = ({ e2ee }: Services): Endpoint =>
  endpoint({
    method: 'PUT',
    path: all,
    auth: 'user',
    body: 'json',
    limit: 'reading',
    maxBody,
    async handler({ requester, query, body }) {
      const given = Object.entries(parse(roomsSchema, body).rooms);
      const rooms = Object.fromEntries(given.map(([roomId, sessions]) => [roomId, sessionsOf(sessions)]));
      return json(await e2ee.backups.put(requester.user, query.required('version'), rooms));
    },
  });

/**
 * `GET /_matrix/client/v3/room_keys/keys/{roomId}/{sessionId}`
 * 200 `{ first_message_index, forwarded_count, is_verified, session_data }` · 404 M_NOT_FOUND · 400 M_MISSING_PARAM
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3room_keyskeysroomidsessionid
 */
const getSession = ({ e2ee }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: session,
    auth: 'user',
    body: 'none',
    limit: 'reading',
    handler: ({ requester, params, query }) =>
      json(e2ee.backups.session(requester.user, query.required('version'), params.roomId, params.sessionId)),
  });

/**
 * `GET /_matrix/client/v3/room_keys/keys/{roomId}`
 * The keys of a room's sessions, none if there are none.
 * 200 `{ sessions }` · 404 M_NOT_FOUND no such backup · 400 M_MISSING_PARAM
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3room_keyskeysroomid
 */
const getRoom = ({ e2ee }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: room,
    auth: 'user',
    body: 'none',
    limit: 'reading',
    handler: ({ requester, params, query }) =>
      streamedJson(e2ee.backups.room(requester.user, query.required('version'), params.roomId)),
  });

/**
 * `GET /_matrix/client/v3/room_keys/keys`
 * The whole backup.
 * 200 `{ rooms }` · 404 M_NOT_FOUND no such backup · 400 M_MISSING_PARAM
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3room_keyskeys
 */
const getAll = ({ e2ee }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: all,
    auth: 'user',
    body: 'none',
    limit: 'reading',
    handler: ({ requester, query }) => streamedJson(e2ee.backups.all(requester.user, query.required('version'))),
  });

/**
 * `DELETE /_matrix/client/v3/room_keys/keys/{roomId}/{sessionId}`, `…/keys/{roomId}`, `…/keys`
 * Deletes a key, a room's, or all.
 * 200 `{ etag, count }` · 404 M_NOT_FOUND no such backup · 400 M_MISSING_PARAM
 * @see https://spec.matrix.org/v1.19/client-server-api/#delete_matrixclientv3room_keyskeys
 */
const removals = ({ e2ee }: Services): Endpoint[] =>
  [session, room, all].map((path) =>
    endpoint<'user', 'none', string>({
      method: 'DELETE',
      path,
      auth: 'user',
      body: 'none',
      limit: 'reading',
      handler: async ({ requester, params, query }) =>
        json(await e2ee.backups.remove(requester.user, query.required('version'), params)),
    }),
  );

export const backupKeyEndpoints = (services: Services): Endpoint[] => [
  putSession(services),
  putRoom(services),
  putAll(services),
  getSession(services),
  getRoom(services),
  getAll(services),
  ...removals(services),
];
