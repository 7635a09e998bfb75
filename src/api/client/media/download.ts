import type { FileWish, Media, MediaFile } from '../../../media/media.ts';
import { dispositionOf, fileHeaders, parseRange } from '../../../media/serving.ts';
import { invalidParam, MatrixError } from '../../../protocol/errors.ts';
import { type Millis, millis } from '../../../util/brand.ts';
import { endpoint } from '../../http/endpoint.ts';
import type { Query } from '../../http/query.ts';
import { reply } from '../../http/reply.ts';
import type { Endpoint, HttpCall, Reply } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/** How long a download waits for an announced upload, unless the client says otherwise, and at most. */
const defaultWait = 20_000;
const maxWait = 60_000;

const waitOf = (query: Query): Millis => millis(query.integer('timeout_ms', { max: maxWait }) ?? defaultWait);

/** `allow_remote=false` is of older clients: what is of another server and not kept here is not there. */
const wishOf = ({ query, signal }: { readonly query: Query; readonly signal: AbortSignal }): FileWish => ({
  wait: waitOf(query),
  signal,
  fetch: query.flag('allow_remote') ?? true,
});

/** A file, or the part of it that the request's `Range` header names. */
function fileReply(media: Media, file: MediaFile, fileName: string | undefined, headers: HttpCall['headers']): Reply {
  const etag = `"${file.content.toString('base64url')}"`;
  const common = {
    ...fileHeaders,
    'Content-Type': file.contentType,
    'Content-Disposition': dispositionOf(file.contentType, fileName),
    ETag: etag,
  };
  if (headers['if-none-match'] === etag) return reply({ status: 304, headers: common });
  const condition = headers['if-range'];
  const range = condition === undefined || condition === etag ? parseRange(headers.range, file.size) : undefined;
  if (range === 'unsatisfiable') {
    throw new MatrixError(416, 'M_INVALID_PARAM', 'The file has no such range', {
      headers: { 'Content-Range': `bytes */${file.size}` },
    });
  }
  const { from, to } = range ?? { from: 0, to: file.size };
  return reply({
    status: range === undefined ? 200 : 206,
    headers: {
      ...common,
      'Content-Length': String(to - from),
      ...(range === undefined ? {} : { 'Content-Range': `bytes ${from}-${to - 1}/${file.size}` }),
    },
    body: media.read(file.content, from, to),
  });
}

/**
 * `GET /_matrix/client/v1/media/download/{serverName}/{mediaId}`
 * A file; a reserved one is waited for up to `timeout_ms`.
 * 200, 206 for a range, 304 · 404 M_NOT_FOUND · 416 · 429 M_LIMIT_EXCEEDED · 502 M_TOO_LARGE, M_UNKNOWN the other
 * server does not give it · 504 M_NOT_YET_UPLOADED
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1mediadownloadservernamemediaid
 */
const download = ({ media }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v1/media/download/{serverName}/{mediaId}',
    auth: 'user',
    body: 'none',
    limit: 'reading',
    async handler({ params, query, headers, signal }) {
      const file = await media.find(params.serverName, params.mediaId, wishOf({ query, signal }));
      return fileReply(media, file, file.fileName, headers);
    },
  });

/**
 * `GET /_matrix/client/v1/media/download/{serverName}/{mediaId}/{fileName}`
 * The same under another file name.
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1mediadownloadservernamemediaidfilename
 */
const downloadAs = ({ media }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v1/media/download/{serverName}/{mediaId}/{fileName}',
    auth: 'user',
    body: 'none',
    limit: 'reading',
    async handler({ params, query, headers, signal }) {
      const file = await media.find(params.serverName, params.mediaId, wishOf({ query, signal }));
      return fileReply(media, file, params.fileName, headers);
    },
  });

/**
 * `GET /_matrix/client/v1/media/thumbnail/{serverName}/{mediaId}`
 * A smaller picture, no side below what is asked for; the file itself where it is no larger.
 * 200 · 400 M_UNKNOWN no picture, M_INVALID_PARAM · 404 M_NOT_FOUND · 413 M_TOO_LARGE, 502 of another server · 504 M_NOT_YET_UPLOADED
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1mediathumbnailservernamemediaid
 */
const thumbnail = ({ media, thumbnails, server }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v1/media/thumbnail/{serverName}/{mediaId}',
    auth: 'user',
    body: 'none',
    limit: 'reading',
    async handler({ params, query, headers, signal }) {
      query.required('width');
      query.required('height');
      const width = query.integer('width', { min: 1 });
      const height = query.integer('height', { min: 1 });
      if (width === undefined || height === undefined) throw invalidParam('width and height must be whole numbers');
      const method = query.oneOf('method', ['crop', 'scale']) ?? 'scale';
      const animated = query.flag('animated') ?? false;
      const file = await media.find(params.serverName, params.mediaId, wishOf({ query, signal }));
      const remote = params.serverName !== server.serverName;
      const made = await thumbnails.of(file, { width, height, method, animated, remote });
      return fileReply(media, made, undefined, headers);
    },
  });

export const downloadEndpoints = (services: Services): Endpoint[] => [
  download(services),
  downloadAs(services),
  thumbnail(services),
];
