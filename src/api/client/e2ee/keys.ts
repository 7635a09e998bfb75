import * as v from 'valibot';
import { patience } from '../../../e2ee/remote/remote-asking.ts';
import { invalidParam } from '../../../protocol/errors.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { json, streamedJson } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { deviceKeysSchema, keysSchema, objectSchema, recordOf } from './schemas.ts';

/** Fifty one-time keys have some 15 kB; there may be more of them. */
const maxUpload = 1024 * 1024;

const uploadBody = v.looseObject({
  device_keys: v.optional(objectSchema),
  one_time_keys: v.optional(keysSchema),
  fallback_keys: v.optional(keysSchema),
});

/**
 * `POST /_matrix/client/v3/keys/upload`
 * Publishes keys of the requester's device. One-time keys that are there already, or were and are claimed, stay as they
 * are.
 * 200 `{ one_time_key_counts }` · 400 M_INVALID_PARAM another device's keys, another key under the same ID · 400
 * M_MISSING_PARAM, M_BAD_JSON · 413 M_TOO_LARGE
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keysupload
 */
const upload = ({ e2ee }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/keys/upload',
    auth: 'user',
    body: 'json',
    maxBody: maxUpload,
    async handler({ requester, body }) {
      const given = parse(uploadBody, body);
      if (given.device_keys !== undefined) parse(deviceKeysSchema, given.device_keys);
      const counts = await e2ee.keys.upload(requester, {
        deviceKeys: given.device_keys,
        oneTimeKeys: given.one_time_keys,
        fallbackKeys: given.fallback_keys,
      });
      return json({ one_time_key_counts: counts });
    },
  });

const timeoutSchema = v.optional(v.number());

const queryBody = v.looseObject({
  device_keys: recordOf(v.array(v.string())),
  timeout: timeoutSchema,
});

/**
 * `POST /_matrix/client/v3/keys/query`
 * Tells device and cross-signing keys of users, here and elsewhere. Servers that do not answer within `timeout` (ten
 * seconds) stand in `failures`.
 * 200 `{ device_keys, master_keys, self_signing_keys, user_signing_keys, failures }` · 400 M_INVALID_PARAM no user ID ·
 * 400 M_MISSING_PARAM, M_BAD_JSON
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keysquery
 */
const query = ({ e2ee }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/keys/query',
    auth: 'user',
    body: 'json',
    maxBody: maxUpload,
    async handler({ requester, body }) {
      const { device_keys: wanted, timeout } = parse(queryBody, body);
      return streamedJson(await e2ee.queries.query(requester.user, wanted, patience(timeout)));
    },
  });

const claimBody = v.looseObject({
  one_time_keys: recordOf(recordOf(v.string())),
  timeout: timeoutSchema,
});

/**
 * `POST /_matrix/client/v3/keys/claim`
 * Takes a one-time key of each device, or its fallback key if there is none left; devices without a key are left out.
 * 200 `{ one_time_keys, failures }` · 400 M_INVALID_PARAM no user ID · 400 M_MISSING_PARAM, M_BAD_JSON
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keysclaim
 */
const claim = ({ e2ee }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/keys/claim',
    auth: 'user',
    body: 'json',
    maxBody: maxUpload,
    async handler({ body }) {
      const { one_time_keys: wanted, timeout } = parse(claimBody, body);
      return json(await e2ee.claims.claim(wanted, patience(timeout)));
    },
  });

/**
 * `GET /_matrix/client/v3/keys/changes`
 * Whose keys have changed between two tokens of /sync, and who shares no room any more. Changes later than `to` may be
 * among them.
 * 200 `{ changed, left }` · 400 M_MISSING_PARAM, M_INVALID_PARAM `from`, `to`
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3keyschanges
 */
const changes = ({ sync }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/keys/changes',
    auth: 'user',
    body: 'none',
    handler({ requester, query: given }) {
      const [from, to] = [given.required('from'), given.required('to')];
      const news = sync.deviceListChanges(requester.user, from, to);
      if (news === undefined) throw invalidParam('from and to must be tokens of this server');
      return json(news);
    },
  });

export const keyEndpoints = (services: Services): Endpoint[] => [
  upload(services),
  query(services),
  claim(services),
  changes(services),
];
