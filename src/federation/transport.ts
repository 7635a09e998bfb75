import type { IncomingHttpHeaders } from 'node:http';
import type { OutboundFailure } from '../outbound/types.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import type { Millis } from '../util/brand.ts';

/** A request to another server, ready but for where that server is found. */
export interface TransportRequest {
  readonly server: ServerName;
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Path and query as on the request line, from `/_matrix` on. */
  readonly uri: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Until the head of the answer is there, discovery included; after that, for each wait for more of the body. */
  readonly timeout: Millis;
  readonly signal?: AbortSignal;
}

/** An answer of whatever status. */
export interface TransportAnswer {
  readonly ok: true;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Ends, throws, or is left: leaving it closes the connection. Nobody else limits its size. */
  readonly body: AsyncIterable<Buffer>;
}

export type TransportResult = TransportAnswer | OutboundFailure;

/** Carries calls to other servers: discovery, TLS and connections. Never rejects. What a test replaces by a network of its own. */
export interface Transport {
  send(request: TransportRequest): Promise<TransportResult>;
}
