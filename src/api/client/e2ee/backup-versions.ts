import * as v from 'valibot';
import { invalidParam } from '../../../protocol/errors.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { empty, json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { objectSchema } from './schemas.ts';

const versionBody = v.looseObject({ algorithm: v.string(), auth_data: objectSchema });

/**
 * `POST /_matrix/client/v3/room_keys/version`
 * Begins a new version of the backup.
 * 200 `{ version }` · 400 M_MISSING_PARAM, M_BAD_JSON · 413 M_TOO_LARGE
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3room_keysversion
 */
const createVersion = ({ e2ee }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/room_keys/version',
    auth: 'user',
    body: 'json',
    limit: 'reading',
    async handler({ requester, body }) {
      const { algorithm, auth_data: authData } = parse(versionBody, body);
      return json({ version: await e2ee.backups.create(requester.user, algorithm, authData) });
    },
  });

/**
 * `GET /_matrix/client/v3/room_keys/version`
 * The version in use.
 * 200 `{ version, algorithm, auth_data, etag, count }` · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3room_keysversion
 */
const currentVersion = ({ e2ee }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/room_keys/version',
    auth: 'user',
    body: 'none',
    limit: 'reading',
    handler: ({ requester }) => json(e2ee.backups.info(requester.user, undefined)),
  });

const oneVersion = '/_matrix/client/v3/room_keys/version/{version}';

/**
 * `GET /_matrix/client/v3/room_keys/version/{version}`
 * 200 `{ version, algorithm, auth_data, etag, count }` · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3room_keysversionversion
 */
const getVersion = ({ e2ee }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: oneVersion,
    auth: 'user',
    body: 'none',
    limit: 'reading',
    handler: ({ requester, params }) => json(e2ee.backups.info(requester.user, params.version)),
  });

const changeBody = v.looseObject({
  algorithm: v.string(),
  auth_data: objectSchema,
  version: v.optional(v.string()),
});

/**
 * `PUT /_matrix/client/v3/room_keys/version/{version}`
 * Replaces the `auth_data` of a version.
 * 200 `{}` · 400 M_INVALID_PARAM another algorithm or version · 404 M_NOT_FOUND · 400 M_MISSING_PARAM, M_BAD_JSON
 * @see https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3room_keysversionversion
 */
const changeVersion = ({ e2ee }: Services): Endpoint =>
  endpoint({
    method: 'PUT',
    path: oneVersion,
    auth: 'user',
    body: 'json',
    limit: 'reading',
    async handler({ requester, params, body }) {
      const { algorithm, auth_data: authData, version } = parse(changeBody, body);
      if (version !== undefined && version !== params.version) throw invalidParam('version is not that of the path');
      await e2ee.backups.setAuthData(requester.user, params.version, algorithm, authData);
      return empty();
    },
  });

/**
 * `DELETE /_matrix/client/v3/room_keys/version/{version}`
 * Deletes a version with all its keys.
 * 200 `{}` · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/client-server-api/#delete_matrixclientv3room_keysversionversion
 */
const deleteVersion = ({ e2ee }: Services): Endpoint =>
  endpoint({
    method: 'DELETE',
    path: oneVersion,
    auth: 'user',
    body: 'none',
    limit: 'reading',
    async handler({ requester, params }) {
      await e2ee.backups.deleteVersion(requester.user, params.version);
      return empty();
    },
  });

export const backupVersionEndpoints = (services: Services): Endpoint[] => [
  createVersion(services),
  currentVersion(services),
  getVersion(services),
  changeVersion(services),
  deleteVersion(services),
];
