import type { IncomingHttpHeaders } from 'node:http';
import type { Millis } from '../util/brand.ts';

export interface OutboundRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** `https:` or `http:`. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** For everything from looking up the name to the last byte, redirects included. */
  readonly timeout: Millis;
  /** A longer body of the answer is a failure. */
  readonly maxBytes: number;
  /** How many redirects are followed; with 0, the default, a redirect is the answer. */
  readonly maxRedirects?: number;
  /** Where `http:` may go: nowhere, only to addresses that the admin has allowed by name, or anywhere. */
  readonly plainHttp: 'nowhere' | 'allowed-ranges' | 'anywhere';
  readonly signal?: AbortSignal;
}

/** A request whose answer is read piece by piece. */
export interface StreamRequest extends Omit<OutboundRequest, 'timeout' | 'maxBytes' | 'maxRedirects'> {
  /** Until the head of the answer is there; after that, for each wait for more of the body. */
  readonly timeout: Millis;
  /** The `Host` header, if it is not that of the URL. */
  readonly host?: string;
  /** Whom the certificate has to be for (an address without brackets), if that is not the host of the URL. */
  readonly tlsName?: string;
  /** The admin has named the host itself: it may have any address. */
  readonly isConfigured?: boolean;
}

/** An answer, of whatever status. */
export interface OutboundAnswer {
  readonly ok: true;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** The same with a body that is still to be read. */
export interface OutboundStream {
  readonly ok: true;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** To be read once. It ends, or throws; leaving it closes the connection. Nobody limits its size. */
  readonly body: AsyncIterable<Buffer>;
}

export type FailureReason =
  /** The URL cannot be used, or not without TLS. */
  | 'url'
  /** The address is not public, and not allowed by the admin. */
  | 'denied'
  | 'dns'
  | 'connection'
  | 'tls'
  | 'timeout'
  | 'too-large'
  | 'redirects'
  /** Too many requests wait already. */
  | 'busy'
  | 'aborted';

/** No answer. */
export interface OutboundFailure {
  readonly ok: false;
  readonly reason: FailureReason;
  /** Whether the same request may succeed later, with nothing changed on our side. */
  readonly retryable: boolean;
  /** For the log. */
  readonly detail: string;
}

export type OutboundResult = OutboundAnswer | OutboundFailure;

const lasting: ReadonlySet<FailureReason> = new Set(['url', 'denied', 'too-large', 'redirects']);

export function failure(reason: FailureReason, detail: string): OutboundFailure {
  return { ok: false, reason, retryable: !lasting.has(reason), detail };
}
