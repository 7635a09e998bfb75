import { MatrixError } from '../../protocol/errors.ts';
import type { JsonObject } from '../../util/json.ts';
import type { Reply, ReplyBody } from './types.ts';

/**
 * On every answer, errors included: browsers let a page read nothing without them.
 * @see https://spec.matrix.org/v1.19/client-server-api/#web-browser-clients
 */
const corsHeaders = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': 'GET, POST, PUT, DELETE, OPTIONS',
  'Access-Control-Allow-Headers': 'X-Requested-With, Content-Type, Authorization, If-Match, If-None-Match',
  // So that a page can see when to try again.
  'Access-Control-Expose-Headers': 'Retry-After',
} as const;

// Shared by all plain JSON answers.
const jsonHeaders = { ...corsHeaders, 'Content-Type': 'application/json' } as const;

const emptyObject = '{}';

/** A JSON answer: `json({ … })` is 200, `json(201, { … })` is 201. */
export function json(value: unknown): Reply;
export function json(status: number, value: unknown): Reply;
export function json(...given: [unknown] | [number, unknown]): Reply {
  if (given.length === 2) return { status: given[0], headers: jsonHeaders, body: JSON.stringify(given[1]) };
  return { status: 200, headers: jsonHeaders, body: JSON.stringify(given[0]) };
}

/** `200 {}`: done, with nothing to tell. */
export function empty(): Reply {
  return { status: 200, headers: jsonHeaders, body: emptyObject };
}

export interface ReplyParts {
  /** 200 unless given. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: ReplyBody;
}

/** Any other answer. A body in pieces is asked for its pieces as fast as the client takes them. */
export function reply(parts: ReplyParts): Reply {
  return { status: parts.status ?? 200, headers: { ...corsHeaders, ...parts.headers }, body: parts.body ?? '' };
}

/** A JSON answer written in pieces of JSON text, for answers that may be large. */
export function streamedJson(pieces: Iterable<string | Buffer> | AsyncIterable<string | Buffer>, status = 200): Reply {
  return { status, headers: jsonHeaders, body: pieces };
}

/** The answer to a request that failed in a way the client may know. */
export function errorReply(error: MatrixError): Reply {
  return errorWith(error.status, error.toJSON(), error.headers);
}

/** The answer to a request that hit a bug: its number leads to the log line. */
export function bugReply(requestId: string): Reply {
  return errorReply(new MatrixError(500, 'M_UNKNOWN', `Internal server error (request ${requestId})`));
}

function errorWith(status: number, body: JsonObject, headers: Readonly<Record<string, string>>): Reply {
  return { status, headers: { ...jsonHeaders, ...headers }, body: JSON.stringify(body) };
}
