import type { Media, MediaFile } from '../../../media/media.ts';
import { dispositionOf } from '../../../media/serving.ts';
import { invalidParam } from '../../../protocol/errors.ts';
import { type Millis, millis } from '../../../util/brand.ts';
import { endpoint } from '../../http/endpoint.ts';
import type { Query } from '../../http/query.ts';
import { reply } from '../../http/reply.ts';
import type { Endpoint, Piece, Reply } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/** How long a download waits for an announced upload, unless the other server says otherwise, and at most. */
const defaultWait = 20_000;
const maxWait = 60_000;

const waitOf = (query: Query): Millis => millis(query.integer('timeout_ms', { max: maxWait }) ?? defaultWait);

/** Metadata, of which there are none, and the file's bytes. No file can hold its own hash, so that is the boundary. */
function inParts(media: Media, file: MediaFile): Reply {
  const boundary = file.content.toString('hex');
  const head = [
    `--${boundary}`,
    'Content-Type: application/json',
    '',
    '{}',
    `--${boundary}`,
    `Content-Type: ${file.contentType}`,
    `Content-Disposition: ${dispositionOf(file.contentType, file.fileName)}`,
    '',
    '',
  ].join('\r\n');
  const tail = `\r\n--${boundary}--\r\n`;
  const bytes = media.read(file.content, 0, file.size);
  return reply({
    headers: {
      'Content-Type': `multipart/mixed; boundary=${boundary}`,
      'Content-Length': String(Buffer.byteLength(head) + file.size + tail.length),
    },
    body: piecesOf(head, bytes, tail),
  });
}

function* piecesOf(head: string, bytes: Iterable<Buffer>, tail: string): Generator<Piece> {
  yield Buffer.from(head);
  yield* bytes;
  yield Buffer.from(tail);
}

/**
 * `GET /_matrix/federation/v1/media/download/{mediaId}`
 * A file of this server, in two parts: metadata and bytes. A reserved one is waited for up to `timeout_ms`.
 * 200 multipart/mixed · 400 M_INVALID_PARAM · 404 M_NOT_FOUND · 504 M_NOT_YET_UPLOADED
 * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1mediadownloadmediaid
 */
const download = ({ media }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/federation/v1/media/download/{mediaId}',
    auth: 'server',
    limit: 'federation',
    body: 'none',
    handler: async ({ params, query, signal }) =>
      inParts(media, await media.findOwn(params.mediaId, waitOf(query), signal)),
  });

/**
 * `GET /_matrix/federation/v1/media/thumbnail/{mediaId}`
 * A smaller picture, in the same form.
 * 200 multipart/mixed · 400 M_UNKNOWN no picture, M_INVALID_PARAM, M_MISSING_PARAM · 404 M_NOT_FOUND · 413 M_TOO_LARGE
 * · 504 M_NOT_YET_UPLOADED
 * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1mediathumbnailmediaid
 */
const thumbnail = ({ media, thumbnails }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/federation/v1/media/thumbnail/{mediaId}',
    auth: 'server',
    limit: 'federation',
    body: 'none',
    async handler({ params, query, signal }) {
      query.required('width');
      query.required('height');
      const width = query.integer('width', { min: 1 });
      const height = query.integer('height', { min: 1 });
      if (width === undefined || height === undefined) throw invalidParam('width and height must be whole numbers');
      const method = query.oneOf('method', ['crop', 'scale']) ?? 'scale';
      const animated = query.flag('animated') ?? false;
      const file = await media.findOwn(params.mediaId, waitOf(query), signal);
      return inParts(media, await thumbnails.of(file, { width, height, method, animated }));
    },
  });

/** Our files for other servers. */
export const mediaEndpoints = (services: Services): Endpoint[] => [download(services), thumbnail(services)];
