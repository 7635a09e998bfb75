import * as v from 'valibot';
import { recordOf } from '../../client/e2ee/schemas.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { json, streamedJson } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/** Some ten thousand users or devices: more than a server asks for in one request. */
const maxBody = 1024 * 1024;

const queryBody = v.looseObject({ device_keys: recordOf(v.array(v.string())) });

/**
 * `POST /_matrix/federation/v1/user/keys/query`
 * Tells device and cross-signing keys of our own users, with nobody's signatures but their owners'. Others are left out.
 * 200 `{ device_keys, master_keys, self_signing_keys }` · 400 M_MISSING_PARAM, M_BAD_JSON · 413 M_TOO_LARGE
 * @see https://spec.matrix.org/v1.19/server-server-api/#post_matrixfederationv1userkeysquery
 */
const query = ({ e2ee }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/federation/v1/user/keys/query',
    auth: 'server',
    body: 'json',
    maxBody,
    limit: 'federation',
    handler: ({ body }) => streamedJson(e2ee.remote.served.query(parse(queryBody, body).device_keys)),
  });

const claimBody = v.looseObject({ one_time_keys: recordOf(recordOf(v.string())) });

/**
 * `POST /_matrix/federation/v1/user/keys/claim`
 * Takes a one-time key of each device of our own users, or its fallback key; none is ever given out twice.
 * 200 `{ one_time_keys }` · 400 M_INVALID_PARAM no user ID · 400 M_MISSING_PARAM, M_BAD_JSON · 413 M_TOO_LARGE
 * @see https://spec.matrix.org/v1.19/server-server-api/#post_matrixfederationv1userkeysclaim
 */
const claim = ({ e2ee }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/federation/v1/user/keys/claim',
    auth: 'server',
    body: 'json',
    maxBody,
    limit: 'federation',
    handler: async ({ body }) =>
      json({ one_time_keys: await e2ee.claims.claimFor(parse(claimBody, body).one_time_keys) }),
  });

export const userKeyEndpoints = (services: Services): Endpoint[] => [query(services), claim(services)];
