import * as v from 'valibot';
import type { ToDeviceMessages } from '../../../devices/to-device.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { empty } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { objectSchema, recordOf } from './schemas.ts';

const body = v.looseObject({
  messages: recordOf(recordOf(objectSchema)),
});

/** Clients send a few hundred room keys at a time, of some kB each. */
const maxBody = 2 * 1024 * 1024;

/**
 * `PUT /_matrix/client/v3/sendToDevice/{eventType}/{txnId}`
 * Sends messages straight to devices, here and elsewhere; `*` stands for all devices of a user. A repeated txnId does
 * nothing. What is for a server that cannot be reached waits for it.
 * 200 `{}` · 400 M_MISSING_PARAM, M_BAD_JSON · 413 M_TOO_LARGE a message over 65,536 bytes, a body over 2 MiB
 * @see https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3sendtodeviceeventtypetxnid
 */
export const toDeviceEndpoints = ({ e2ee }: Services): Endpoint[] => [
  endpoint({
    method: 'PUT',
    path: '/_matrix/client/v3/sendToDevice/{eventType}/{txnId}',
    auth: 'user',
    body: 'json',
    maxBody,
    async handler({ requester, params, body: given }) {
      const { messages } = parse(body, given);
      await e2ee.toDevice.send(requester, params.eventType, params.txnId, messages as ToDeviceMessages);
      return empty();
    },
  }),
];
