import { keptContentType } from '../../../media/serving.ts';
import { tooLarge } from '../../../protocol/errors.ts';
import { endpoint } from '../../http/endpoint.ts';
import { empty, json } from '../../http/reply.ts';
import type { ApiRequest, Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

type UploadRequest = Pick<ApiRequest<'user', 'stream'>, 'headers' | 'query' | 'stream'>;

/** What the request says of the file; too large a one is refused before its bytes are read. */
function announced(request: UploadRequest, maxUpload: number): { contentType: string; fileName: string | null } {
  if (Number(request.headers['content-length'] ?? 0) > maxUpload) {
    throw tooLarge(`A file may have ${maxUpload} bytes at most`);
  }
  return {
    contentType: keptContentType(request.headers['content-type']),
    fileName: request.query.get('filename')?.slice(0, 255) ?? null,
  };
}

/**
 * `POST /_matrix/media/v3/upload`
 * Stores a file and answers its URI once the bytes are safe on disk.
 * 200 `{ content_uri }` · 413 M_TOO_LARGE over the limit that `media/config` tells
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixmediav3upload
 */
const upload = ({ media }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/media/v3/upload',
    auth: 'user',
    body: 'stream',
    limit: 'media',
    async handler(request) {
      const meta = announced(request, media.maxUpload);
      const uri = await media.upload(request.requester.user, request.stream, meta);
      return json({ content_uri: uri });
    },
  });

/**
 * `POST /_matrix/media/v1/create`
 * Reserves a URI for a file that is uploaded later.
 * 200 `{ content_uri, unused_expires_at }` · 429 M_LIMIT_EXCEEDED too many open reservations
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixmediav1create
 */
const create = ({ media }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/media/v1/create',
    auth: 'user',
    body: 'none',
    limit: 'media',
    async handler({ requester }) {
      const { uri, expires } = await media.create(requester.user);
      return json({ content_uri: uri, unused_expires_at: expires });
    },
  });

/**
 * `PUT /_matrix/media/v3/upload/{serverName}/{mediaId}`
 * Uploads the file of a reserved URI.
 * 200 `{}` · 403 M_FORBIDDEN reserved by somebody else · 404 M_NOT_FOUND unknown or expired ·
 * 409 M_CANNOT_OVERWRITE_MEDIA · 413 M_TOO_LARGE
 * @see https://spec.matrix.org/v1.19/client-server-api/#put_matrixmediav3uploadservernamemediaid
 */
const uploadReserved = ({ media }: Services): Endpoint =>
  endpoint({
    method: 'PUT',
    path: '/_matrix/media/v3/upload/{serverName}/{mediaId}',
    auth: 'user',
    body: 'stream',
    limit: 'media',
    async handler(request) {
      const meta = announced(request, media.maxUpload);
      const { serverName, mediaId } = request.params;
      await media.uploadTo(request.requester.user, serverName, mediaId, request.stream, meta);
      return empty();
    },
  });

/**
 * `GET /_matrix/client/v1/media/config`, and the older `GET /_matrix/media/v3/config`
 * 200 `{ "m.upload.size" }` in bytes
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1mediaconfig
 */
const config = ({ media }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v1/media/config',
    alsoAt: ['/_matrix/media/v3/config'],
    auth: 'user',
    body: 'none',
    limit: 'reading',
    handler: () => json({ 'm.upload.size': media.maxUpload }),
  });

export const uploadEndpoints = (services: Services): Endpoint[] => [
  upload(services),
  create(services),
  uploadReserved(services),
  config(services),
];
