import type { Agent, ClientRequest, IncomingMessage, request } from 'node:http';
import { isIP, type LookupFunction } from 'node:net';
import { nodeTls } from '../util/node-http.ts';
import { failure, type OutboundFailure, type OutboundRequest, type OutboundResult } from './types.ts';

export interface ExchangeOptions {
  readonly url: URL;
  readonly method: OutboundRequest['method'];
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer | undefined;
  /** Checked; the connection goes to one of these and to nothing else. */
  readonly addresses: readonly string[];
  /** The `Host` header, if it is not that of the URL. */
  readonly host?: string | undefined;
  /** Whom the certificate has to be for, and the name told in TLS, if it is not the host of the URL. */
  readonly tlsName?: string | undefined;
  readonly signal: AbortSignal;
  /** `request` of node:http or node:https. */
  readonly request: typeof request;
  readonly agent: Agent;
}

/** The head of an answer has arrived; its body is still to be read. */
export interface AnswerHead {
  readonly ok: true;
  readonly response: IncomingMessage;
}

/** One request, up to the head of its answer. Never rejects. */
export async function exchange(options: ExchangeOptions): Promise<AnswerHead | OutboundFailure> {
  const first = await attempt(options);
  // A connection that was kept open may have been closed by the other side just as it was to be used again.
  return first === 'stale' ? ((await attempt(options)) as AnswerHead | OutboundFailure) : first;
}

function attempt(options: ExchangeOptions): Promise<AnswerHead | OutboundFailure | 'stale'> {
  const { url, method, body, headers, signal } = options;
  return new Promise((resolve) => {
    const call: ClientRequest = options.request({
      method,
      hostname: plainHost(url),
      port: url.port === '' ? undefined : url.port,
      path: url.pathname + url.search,
      headers: {
        ...headers,
        Host: options.host ?? url.host,
        ...(body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) }),
      },
      agent: options.agent,
      lookup: lookupIn(options.addresses),
      ...(url.protocol === 'https:' ? tlsOptions(plainHost(url), options.tlsName) : {}),
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
      // Whoever reads the body is told by the reading itself.
      response.on('error', () => {});
      resolve({ ok: true, response });
    });
    call.end(body);
  });
}

/** The rest of an answer, at most `maxBytes` of it. Never rejects. */
export async function readWhole(
  response: IncomingMessage,
  maxBytes: number,
  signal: AbortSignal,
): Promise<OutboundResult> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      // Leaving the loop destroys the connection.
      if (size > maxBytes) return failure('too-large', `the answer has more than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    return failureOf(error, signal);
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

/**
 * Whom the certificate has to be for. Addresses are not told in TLS, and node would check the certificate for the one
 * that is connected to. `tlsName` is no option of node's: connections are told apart by it (see `secureAgent`).
 */
function tlsOptions(host: string, tlsName = host) {
  if (isIP(tlsName) === 0) return { servername: tlsName, tlsName };
  if (tlsName === host) return { servername: '', tlsName };
  const { checkServerIdentity } = nodeTls();
  return {
    servername: '',
    tlsName,
    checkServerIdentity: (_: string, certificate: Parameters<typeof checkServerIdentity>[1]) =>
      checkServerIdentity(tlsName, certificate),
  };
}

export function failureOf(error: unknown, signal: AbortSignal): OutboundFailure {
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
