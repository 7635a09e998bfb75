import * as v from 'valibot';
import type { SignedKeys } from '../../../e2ee/signatures.ts';
import type { JsonObject } from '../../../util/json.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { empty, json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { confirmByPassword } from '../account/uia.ts';
import { objectSchema, recordOf } from './schemas.ts';

const keySchema = v.looseObject({
  user_id: v.string(),
  usage: v.array(v.string()),
  keys: recordOf(v.string()),
  signatures: v.optional(recordOf(recordOf(v.string()))),
});

const uploadBody = v.looseObject({
  master_key: v.optional(keySchema),
  self_signing_key: v.optional(keySchema),
  user_signing_key: v.optional(keySchema),
});

/**
 * `POST /_matrix/client/v3/keys/device_signing/upload`
 * Publishes the requester's cross-signing keys. The first ones, and the same again, need no confirmation.
 * 200 `{}` · 400 M_INVALID_SIGNATURE not signed by the master key · 400 M_INVALID_PARAM, M_BAD_JSON, M_MISSING_PARAM ·
 * 401 user-interactive authentication · 403 M_FORBIDDEN a key with the name of a device
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keysdevice_signingupload
 */
const upload = (services: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/keys/device_signing/upload',
    alsoAt: ['/_matrix/client/unstable/keys/device_signing/upload'],
    auth: 'user',
    body: 'json',
    async handler(request) {
      const { requester } = request;
      const { crossSigning } = services.e2ee;
      const given = parse(uploadBody, request.body);
      const plan = crossSigning.plan(requester, {
        master: given.master_key as JsonObject | undefined,
        self_signing: given.self_signing_key as JsonObject | undefined,
        user_signing: given.user_signing_key as JsonObject | undefined,
      });
      if (plan.needsConsent) {
        const passed = await confirmByPassword(services, 'POST keys/device_signing/upload', request);
        await crossSigning.upload(requester, plan, () => services.uia.finish(passed));
      } else {
        await crossSigning.upload(requester, plan);
      }
      return empty();
    },
  });

const signaturesBody = recordOf(recordOf(objectSchema));

/**
 * `POST /_matrix/client/v3/keys/signatures/upload`
 * Publishes signatures on own devices and on master keys. What is wrong with single keys stands in `failures`:
 * M_INVALID_SIGNATURE, M_INVALID_PARAM another key than the one known here, M_NOT_FOUND.
 * 200 `{ failures }` · 400 M_BAD_JSON
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keyssignaturesupload
 */
const signatures = ({ e2ee }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/keys/signatures/upload',
    alsoAt: ['/_matrix/client/unstable/keys/signatures/upload'],
    auth: 'user',
    body: 'json',
    async handler({ requester, body }) {
      const failures = await e2ee.signatures.upload(requester, parse(signaturesBody, body) as SignedKeys);
      return json({ failures });
    },
  });

export const crossSigningEndpoints = (services: Services): Endpoint[] => [upload(services), signatures(services)];
