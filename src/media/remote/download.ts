import { type FederationClient, type RemoteFailure, remoteError, remotePath } from '../../federation/client.ts';
import type { OutboundHttp } from '../../outbound/outbound-http.ts';
import { limitExceeded, MatrixError, notFound } from '../../protocol/errors.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import { type Millis, millis } from '../../util/brand.ts';
import { keptContentType } from '../serving.ts';
import { fileNameIn } from './content-disposition.ts';
import { boundaryOf, MultipartError, MultipartReader, type Part } from './multipart.ts';

/** A file on its way in. */
export interface Incoming {
  readonly contentType: string;
  readonly fileName: string | null;
  readonly body: AsyncIterable<Buffer>;
}

export interface DownloadUses {
  readonly client: Pick<FederationClient, 'stream'>;
  readonly outbound: Pick<OutboundHttp, 'open'>;
}

export interface WantedFile {
  readonly server: ServerName;
  readonly mediaId: string;
  /** How long the other server may wait for a file that was only announced. */
  readonly wait: Millis;
  readonly signal: AbortSignal;
}

/** The part with the metadata, which so far says nothing. */
const maxMetadata = 64 * 1024;
/** For the answer's head, beside what the other server may wait. */
const patience = millis(20_000);
/** Of the place that a server sends us to. */
const maxRedirects = 3;

/**
 * Asks a server for a file of its own and hands it to `keep` while it comes in. Servers of before version 1.11 of the
 * specification are asked the old way. Throws what the client is told: 404 M_NOT_FOUND, 429 M_LIMIT_EXCEEDED, 502
 * M_TOO_LARGE, M_UNKNOWN, 504 M_NOT_YET_UPLOADED.
 * @see https://spec.matrix.org/v1.19/server-server-api/#content-repository
 */
export async function downloadFrom<T>(
  uses: DownloadUses,
  wanted: WantedFile,
  keep: (file: Incoming) => Promise<T>,
): Promise<T> {
  const { server, mediaId, wait, signal } = wanted;
  const call = { server, method: 'GET', timeout: millis(wait + patience), signal } as const;
  const answer = await uses.client.stream({
    ...call,
    path: remotePath`/_matrix/federation/v1/media/download/${mediaId}`,
    query: { timeout_ms: String(wait) },
  });
  if (answer.ok) return fromParts(uses, answer, signal, keep);
  if (!isOldServer(answer)) throw refusal(answer);
  const old = await uses.client.stream({
    ...call,
    path: remotePath`/_matrix/media/v3/download/${server}/${mediaId}`,
    query: { allow_remote: 'false', timeout_ms: String(wait) },
    signed: false,
  });
  if (!old.ok) throw refusal(old);
  return unlessCut(keepOf(incoming(headerOf(old.headers), old.body), keep));
}

/** The endpoint is not there, which the specification says by 404 M_UNRECOGNIZED and a proxy by a bare 404. */
function isOldServer({ status, errcode }: RemoteFailure): boolean {
  return status === 404 && (errcode === undefined || errcode === 'M_UNRECOGNIZED');
}

type Streamed = Extract<Awaited<ReturnType<FederationClient['stream']>>, { ok: true }>;
type Header = (name: string) => string | undefined;

function fromParts<T>(
  uses: DownloadUses,
  answer: Streamed,
  signal: AbortSignal,
  keep: (file: Incoming) => Promise<T>,
): Promise<T> {
  return unlessCut(
    (async () => {
      const boundary = boundaryOf(answer.headers['content-type']);
      if (boundary === undefined) {
        await leave(answer.body);
        throw new MultipartError('the answer is not multipart/mixed');
      }
      const reader = new MultipartReader(answer.body, boundary);
      try {
        await skipMetadata(await reader.next());
        const part = await reader.next();
        if (part === undefined) throw new MultipartError('the answer has no second part');
        const location = part.headers.get('location');
        if (location !== undefined) {
          await reader.close();
          return await fromElsewhere(uses, location, signal, keep);
        }
        return await keep(incoming((name) => part.headers.get(name), part.body));
      } finally {
        await reader.close();
      }
    })(),
  );
}

async function skipMetadata(part: Part | undefined): Promise<void> {
  if (part === undefined) throw new MultipartError('the answer has no parts');
  let size = 0;
  for await (const piece of part.body) {
    size += piece.length;
    if (size > maxMetadata) throw new MultipartError('the metadata are too long');
  }
}

/** A server may have its files at some storage service: anywhere, so only at public addresses, and with TLS. */
async function fromElsewhere<T>(
  { outbound }: DownloadUses,
  location: string,
  signal: AbortSignal,
  keep: (file: Incoming) => Promise<T>,
): Promise<T> {
  let url = location;
  for (let followed = 0; followed <= maxRedirects; followed++) {
    const answer = await outbound.open({ method: 'GET', url, timeout: patience, plainHttp: 'nowhere', signal });
    if (!answer.ok) throw unusable(answer.detail);
    const { status, headers, body } = answer;
    const next = status >= 300 && status < 400 ? headers.location : undefined;
    if (status === 200) return keepOf(incoming(headerOf(headers), body), keep);
    await leave(body);
    if (next === undefined || !URL.canParse(next, url)) throw unusable(`what the server names answers ${status}`);
    url = new URL(next, url).href;
  }
  throw unusable('what the server names redirects too often');
}

/** Leaves what is not read of the file, whatever comes. */
async function keepOf<T>(file: Incoming, keep: (file: Incoming) => Promise<T>): Promise<T> {
  try {
    return await keep(file);
  } finally {
    await leave(file.body);
  }
}

async function leave(body: AsyncIterable<Buffer>): Promise<void> {
  await body[Symbol.asyncIterator]().return?.();
}

function headerOf(headers: Readonly<Record<string, string | string[] | undefined>>): Header {
  return (name) => {
    const value = headers[name];
    return typeof value === 'string' ? value : undefined;
  };
}

function incoming(header: Header, body: AsyncIterable<Buffer>): Incoming {
  return {
    contentType: keptContentType(header('content-type')),
    fileName: fileNameIn(header('content-disposition')) ?? null,
    body,
  };
}

/** What breaks off or cannot be read is the other server's fault. */
async function unlessCut<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (problem) {
    if (problem instanceof MatrixError) throw problem;
    throw unusable(problem);
  }
}

function unusable(cause: unknown): MatrixError {
  return new MatrixError(502, 'M_UNKNOWN', 'The server that has the file did not give it', { cause });
}

function refusal(failure: RemoteFailure): MatrixError {
  const { status, errcode } = failure;
  if (status === 404) return notFound('There is no such file');
  if (errcode === 'M_NOT_YET_UPLOADED') {
    return new MatrixError(504, 'M_NOT_YET_UPLOADED', 'The file has not been uploaded yet');
  }
  if (errcode === 'M_TOO_LARGE') return new MatrixError(502, 'M_TOO_LARGE', 'The file is too large');
  if (status === 429) return limitExceeded(5000, 'The server that has the file is busy');
  return remoteError(failure);
}
