import type { Agent, ClientRequest, IncomingMessage, request } from 'node:http';
import { isIP, type LookupFunction } from 'node:net';
import { failure, type OutboundRequest, type OutboundResult } from './types.ts';

export interface ExchangeOptions {
  readonly url: URL;
  readonly method: OutboundRequest['method'];
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer | undefined;
  readonly maxBytes: number;
  /** Checked; the connection goes to one of these and to nothing else. */
  readonly addresses: readonly string[];
  readonly signal: AbortSignal;
  /** `request` of node:http or node:https. */
  readonly request: typeof request;
  readonly agent: Agent;
}

/** One request and its answer. Never rejects. */
export async function exchange(options: ExchangeOptions): Promise<OutboundResult> {
  const first = await attempt(options);
  // A connection that was kept open may have been closed by the other side just as it was to be used again.
  return first === 'stale' ? ((await attempt(options)) as OutboundResult) : first;
}

function attempt(options: ExchangeOptions): Promise<OutboundResult | 'stale'> {
  const { url, method, body, headers, signal } = options;
  return new Promise((resolve) => {
    const call: ClientRequest = options.request({
      method,
      hostname: plainHost(url),
      port: url.port === '' ? undefined : url.port,
      path: url.pathname + url.search,
      headers: {
        ...headers,
        Host: url.host,
        ...(body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) }),
      },
      agent: options.agent,
      lookup: lookupIn(options.addresses),
      ...tlsName(url),
      signal,
    });
    call.once('error', (error) => {
      if (call.reusedSocket && codeOf(error) === 'ECONNRESET' && !signal.aborted) resolve('stale');
      else resolve(failureOf(error, signal));
    });
    let isAnswered = false;
    // A connection that is closed for another reason than an error: the other side wanted to change the protocol.
    call.once('close', () => {
      if (!isAnswered) resolve(failure('connection', 'it was closed without an answer'));
    });
    call.once('response', (response) => {
      isAnswered = true;
      readAnswer(response, options).then(resolve, (error: unknown) => resolve(failureOf(error, signal)));
    });
    call.end(body);
  });
}

async function readAnswer(response: IncomingMessage, { maxBytes }: ExchangeOptions): Promise<OutboundResult> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    // Leaving the loop destroys the connection.
    if (size > maxBytes) return failure('too-large', `the answer has more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return { ok: true, status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) };
}

/** Answers what was looked up and checked before, so that nothing is asked again between the check and its use. */
function lookupIn(addresses: readonly string[]): LookupFunction {
  const found = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_name, { all }, callback) => {
    if (all === true) callback(null, found);
    else callback(null, found[0]?.address ?? '', found[0]?.family);
  };
}

/** The host without the brackets of an IPv6 address. */
export function plainHost(url: URL): string {
  return url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
}

/** Addresses have no name to be told in TLS. */
function tlsName(url: URL): { servername?: string } {
  return url.protocol === 'https:' && isIP(plainHost(url)) === 0 ? { servername: url.hostname } : {};
}

function failureOf(error: unknown, signal: AbortSignal): OutboundResult {
  const detail = error instanceof Error ? error.message : String(error);
  if (signal.aborted) {
    return signal.reason === 'timeout'
      ? failure('timeout', 'it took too long')
      : failure('aborted', 'it was called off');
  }
  const code = codeOf(error);
  const isTls = /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO|DEPTH_ZERO|SELF_SIGNED|EPROTO|HOSTNAME_MISMATCH|INVALID_CA)/.test(
    code,
  );
  return failure(isTls ? 'tls' : 'connection', code === '' || detail.includes(code) ? detail : `${code}: ${detail}`);
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : '';
}
