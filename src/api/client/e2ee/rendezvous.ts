import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { maxRendezvousData, type RendezvousPage } from '../../../e2ee/rendezvous.ts';
import { invalidParam, missingParam } from '../../../protocol/errors.ts';
import { decodeUtf8 } from '../../../protocol/parse-json.ts';
import { httpDate } from '../../../util/clock.ts';
import { readBody } from '../../http/body.ts';
import { endpoint } from '../../http/endpoint.ts';
import { json, reply } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

const path = '/_matrix/client/unstable/org.matrix.msc4108/rendezvous';
const onePath = '/_matrix/client/unstable/org.matrix.msc4108/rendezvous/{id}';

/**
 * `POST /_matrix/client/unstable/org.matrix.msc4108/rendezvous`
 * Opens a place with a first text; no account is needed.
 * 201 `{ url }` with `ETag`, `Expires` · 400 M_MISSING_PARAM, M_INVALID_PARAM no plain text · 413 M_TOO_LARGE over 4 KiB ·
 * 429 M_LIMIT_EXCEEDED
 * @see https://github.com/matrix-org/matrix-spec-proposals/pull/4108
 */
const create = ({ e2ee, server }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path,
    auth: 'none',
    body: 'stream',
    limit: 'other',
    async handler({ headers, stream }) {
      const { id, page } = e2ee.rendezvous.create(await textOf(headers, stream));
      // Without a public address: the one by which this very client has come.
      const base = server.publicUrl ?? `https://${headers.host ?? server.serverName}`;
      const url = `${base.replace(/\/$/, '')}${path}/${id}`;
      const answer = json(201, { url });
      return { ...answer, headers: { ...answer.headers, ...pageHeaders(page) } };
    },
  });

/**
 * `GET /_matrix/client/unstable/org.matrix.msc4108/rendezvous/{id}`
 * 200 the text · 304 if it is still the one of `If-None-Match` · 404 M_NOT_FOUND
 * @see https://github.com/matrix-org/matrix-spec-proposals/pull/4108
 */
const get = ({ e2ee }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: onePath,
    auth: 'none',
    body: 'none',
    handler({ params, headers }) {
      const page = e2ee.rendezvous.get(params.id);
      if (headers['if-none-match'] === page.etag) return reply({ status: 304, headers: pageHeaders(page) });
      return reply({ headers: { ...pageHeaders(page), 'Content-Type': 'text/plain' }, body: page.data });
    },
  });

/**
 * `PUT /_matrix/client/unstable/org.matrix.msc4108/rendezvous/{id}`
 * Replaces the text that `If-Match` names.
 * 202 with the new `ETag` · 400 M_MISSING_PARAM, M_INVALID_PARAM · 404 M_NOT_FOUND · 412 M_UNKNOWN another text is there ·
 * 413 M_TOO_LARGE
 * @see https://github.com/matrix-org/matrix-spec-proposals/pull/4108
 */
const put = ({ e2ee }: Services): Endpoint =>
  endpoint({
    method: 'PUT',
    path: onePath,
    auth: 'none',
    body: 'stream',
    async handler({ params, headers, stream }) {
      const etag = headers['if-match'];
      if (etag === undefined) throw missingParam('The header If-Match is missing');
      const text = await textOf(headers, stream);
      return reply({ status: 202, headers: pageHeaders(e2ee.rendezvous.put(params.id, etag, text)) });
    },
  });

/**
 * `DELETE /_matrix/client/unstable/org.matrix.msc4108/rendezvous/{id}`
 * 204 · 404 M_NOT_FOUND
 * @see https://github.com/matrix-org/matrix-spec-proposals/pull/4108
 */
const remove = ({ e2ee }: Services): Endpoint =>
  endpoint({
    method: 'DELETE',
    path: onePath,
    auth: 'none',
    body: 'none',
    handler({ params }) {
      e2ee.rendezvous.remove(params.id);
      return reply({ status: 204 });
    },
  });

async function textOf(headers: IncomingHttpHeaders, stream: Readable): Promise<string> {
  if (!/^text\/plain(;|$)/i.test(headers['content-type'] ?? '')) throw invalidParam('The body must be text/plain');
  const text = decodeUtf8(await readBody({ headers, stream }, maxRendezvousData));
  if (text === undefined) throw invalidParam('The body is not UTF-8');
  return text;
}

function pageHeaders({ etag, modified, expires }: RendezvousPage): Record<string, string> {
  return {
    ETag: etag,
    'Last-Modified': httpDate(modified),
    Expires: httpDate(expires),
    'Cache-Control': 'no-store',
    Pragma: 'no-cache',
    'Access-Control-Expose-Headers': 'ETag, Retry-After',
  };
}

export const rendezvousEndpoints = (services: Services): Endpoint[] => [
  create(services),
  get(services),
  put(services),
  remove(services),
];
