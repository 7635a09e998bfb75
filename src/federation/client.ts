import type { IncomingHttpHeaders } from 'node:http';
import type { OutboundFailure } from '../outbound/types.ts';
import { CanonicalJsonError, canonicalJson } from '../protocol/canonical-json.ts';
import { type ErrorCode, MatrixError } from '../protocol/errors.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import { parseExactJson } from '../protocol/parse-json.ts';
import type { SigningKey } from '../protocol/signing/keys.ts';
import { signRequestText } from '../protocol/signing/request.ts';
import { type Millis, millis } from '../util/brand.ts';
import type { Clock } from '../util/clock.ts';
import { isJsonObject, type JsonObject } from '../util/json.ts';
import type { Log } from '../util/log.ts';
import { gather, limited, upTo } from './answer-body.ts';
import { Lanes } from './lanes.ts';
import type { FederationPolicy } from './policy.ts';
import type { Reachability } from './reachability.ts';
import type { Transport, TransportAnswer } from './transport.ts';

/** A request to another server. */
export interface RemoteCall {
  readonly server: ServerName;
  readonly method: 'GET' | 'POST' | 'PUT';
  /** From `/_matrix` on, its segments percent-encoded: see `remotePath`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Sent as canonical JSON, numbers as they are. */
  readonly content?: JsonObject;
  /** In place of `content`: its canonical JSON, for what is written once and goes to many. */
  readonly text?: string;
  /** Until the head of the answer is there, and for each wait for more of it; half a minute unless given. */
  readonly timeout?: Millis;
  /** For `stream`: until all of the answer is read. No limit unless given; a caller without one has its own ways. */
  readonly within?: Millis;
  /** The largest answer; 4 MiB unless given, for `stream` none. */
  readonly maxBytes?: number;
  /** Whether it carries our signature; it does unless told otherwise. */
  readonly signed?: boolean;
  /** Ask although the server is being left alone. */
  readonly evenIfDown?: boolean;
  /** A name that a stranger gave us: that nobody answers there is not written down. */
  readonly isHearsay?: boolean;
  /** One of many calls to servers that may be dead: others do not wait for them. */
  readonly isAside?: boolean;
  readonly signal?: AbortSignal;
}

/** An answer of status 2xx. */
export interface RemoteAnswer {
  readonly ok: true;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Read with `parseExactJson`, so that events in it keep their numbers. */
  readonly value: JsonObject;
}

/** The same, still to be read. */
export interface RemoteStream {
  readonly ok: true;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** To be read once; leaving it closes the connection. Throws where it breaks off or grows too long. */
  readonly body: AsyncIterable<Buffer>;
}

export interface RemoteFailure {
  readonly ok: false;
  readonly server: ServerName;
  /**
   * `not-allowed`: the configuration forbids it; `down`: not asked, because it did not answer lately or too much waits
   * for it; `unreachable`: no answer; `refused`: an error of its own; `invalid`: no JSON object, or too large; also a
   * question that cannot be written.
   */
  readonly kind: 'not-allowed' | 'down' | 'unreachable' | 'refused' | 'invalid';
  readonly status?: number;
  readonly errcode?: string;
  readonly error?: string;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** How long it asks to wait before that. */
  readonly retryAfter?: Millis;
  /** It took too long. */
  readonly timedOut?: boolean;
  /** For the log. */
  readonly detail: string;
}

interface Prepared {
  readonly ok: true;
  readonly uri: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

export interface FederationClientUses {
  readonly transport: Transport;
  readonly policy: FederationPolicy;
  readonly reachability: Reachability;
  /** Who we are; the key changes with a rotation. */
  readonly signer: { readonly serverName: ServerName; readonly key: SigningKey };
  readonly clock: Clock;
  readonly log: Log;
}

const usualTimeout = millis(30_000);
/** A call and its whole answer may take so many times what each part of it may. */
const bodyShare = 4;
/** A transaction's worth of events. */
const usualMaxBytes = 4 * 1024 * 1024;
/** An error is a sentence. */
const errorMaxBytes = 64 * 1024;

/** Calls to one server at once: enough to go on with while one of them streams a large answer. */
const callsToOne = 6;
/** Calls at once; each holds a socket, and perhaps an answer of some megabytes. */
const callsToAll = 48;
/** The same for calls that may go unanswered by the hundred: a socket each, and a small answer. */
const callsAside = 88;
/** Calls that wait for their turn, a few hundred bytes and what they send each. */
const longestQueue = 512;

/** The status of a proxy that does not reach its server. */
const proxyErrors: ReadonlySet<number> = new Set([502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530]);

/** Calls other servers. What goes wrong is a value; what it learns about who answers goes to `Reachability`. */
export class FederationClient {
  readonly #uses: FederationClientUses;
  readonly #lanes = new Lanes<ServerName>(callsToOne, callsToAll, longestQueue);
  readonly #aside = new Lanes<ServerName>(callsToOne, callsAside, longestQueue);
  /** As many as the lanes let in and let wait. */
  readonly #underWay = new Set<AbortController>();
  #isClosed = false;

  constructor(uses: FederationClientUses) {
    this.#uses = uses;
  }

  /** Never rejects. */
  async call(call: RemoteCall): Promise<RemoteAnswer | RemoteFailure> {
    const { signal, callOff, ended } = this.#begin(call);
    // Each piece of a body may take its time, but not all of them.
    const cancel = this.#uses.clock.after(millis(bodyShare * (call.timeout ?? usualTimeout)), callOff);
    try {
      return await this.#read(call, await this.#send({ ...call, signal }));
    } finally {
      cancel();
      ended();
    }
  }

  /** Breaks off what is under way, and begins nothing more: for the end of the server. */
  close(): void {
    this.#isClosed = true;
    for (const abort of this.#underWay) abort.abort();
  }

  /** A call ends with its caller's signal or when the client is closed. `ended` is to be called once it is through. */
  #begin({ signal: outer }: RemoteCall) {
    const abort = new AbortController();
    const callOff = () => abort.abort();
    if (this.#isClosed || outer?.aborted === true) callOff();
    outer?.addEventListener('abort', callOff);
    this.#underWay.add(abort);
    const ended = () => {
      this.#underWay.delete(abort);
      outer?.removeEventListener('abort', callOff);
    };
    return { signal: abort.signal, callOff, ended };
  }

  async #read(call: RemoteCall, answer: RemoteStream | RemoteFailure): Promise<RemoteAnswer | RemoteFailure> {
    if (!answer.ok) return answer;
    const { status, headers } = answer;
    const body = await gather(answer.body, call.maxBytes ?? usualMaxBytes);
    if (!Buffer.isBuffer(body)) return this.#brokenOff(call, status, body.detail, body.isTooLarge);
    const value = parseExactJson(body);
    if (isJsonObject(value)) return { ok: true, status, headers, value };
    return { ok: false, server: call.server, kind: 'invalid', status, retryable: false, detail: 'no JSON object' };
  }

  /** The same for a large answer, of which the caller reads the body. Never rejects. */
  async stream(call: RemoteCall): Promise<RemoteStream | RemoteFailure> {
    const { signal, callOff, ended } = this.#begin(call);
    const { clock } = this.#uses;
    // Words of refusal may come in drops for ever, too.
    const toHead = clock.after(millis(bodyShare * (call.timeout ?? usualTimeout)), callOff);
    const toEnd = call.within === undefined ? () => {} : clock.after(call.within, callOff);
    const over = () => {
      toEnd();
      ended();
    };
    const answer = await this.#send({ ...call, signal });
    toHead();
    if (!answer.ok) {
      over();
      return answer;
    }
    const body = limited(answer.body, over);
    return { ...answer, body: call.maxBytes === undefined ? body : upTo(body, call.maxBytes) };
  }

  async #send(call: RemoteCall): Promise<RemoteStream | RemoteFailure> {
    const { server } = call;
    const { policy, clock } = this.#uses;
    if (!policy.mayTalkTo(server)) {
      return { ok: false, server, kind: 'not-allowed', retryable: false, detail: 'the configuration forbids it' };
    }
    if (this.#isClosed) return { ok: false, server, kind: 'down', retryable: true, detail: 'this server is stopping' };
    if (!clock.isRight) {
      return { ok: false, server, kind: 'down', retryable: true, detail: 'this server does not know the time' };
    }
    if (this.#isLeftAlone(call)) return this.#down(call);
    const lanes = call.isAside === true ? this.#aside : this.#lanes;
    const leave = await lanes.enter(server, call.signal);
    if (leave === undefined) {
      return { ok: false, server, kind: 'down', retryable: true, detail: 'too many calls wait already' };
    }
    let isHandedOver = false;
    try {
      // It may have been found out while this one waited.
      if (this.#isLeftAlone(call)) return this.#down(call);
      const answer = await this.#exchange(call);
      if (!answer.ok) return answer;
      isHandedOver = true;
      return { ...answer, body: limited(answer.body, leave) };
    } finally {
      if (!isHandedOver) leave();
    }
  }

  async #exchange(call: RemoteCall): Promise<TransportAnswer | RemoteFailure> {
    const { transport, reachability, log } = this.#uses;
    const { server, method, signal } = call;
    const prepared = this.#prepare(call);
    if (!prepared.ok) return prepared;
    const { uri, headers, body } = prepared;
    const result = await transport.send({
      server,
      method,
      uri,
      headers,
      timeout: call.timeout ?? usualTimeout,
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
    });
    if (!result.ok) return this.#noAnswer(call, result);
    const { status } = result;
    if (status >= 200 && status < 300) {
      reachability.succeeded(server);
      return result;
    }
    const failure = await refusal(server, result);
    if (failure.kind === 'unreachable') this.#failed(call);
    else reachability.succeeded(server);
    log.debug('federation.refused', { server, method, path: call.path, status, errcode: failure.errcode });
    return failure;
  }

  /** The request with its signature. What clients would have us say need not be text at all: lone surrogates are none. */
  #prepare({ server, method, path, query, content, text, signed = true }: RemoteCall): Prepared | RemoteFailure {
    const { serverName, key } = this.#uses.signer;
    let uri = path;
    let body = text;
    try {
      uri += queryText(query);
      if (content !== undefined) body = canonicalJson(content, 'lenient');
    } catch (error) {
      if (!(error instanceof CanonicalJsonError || error instanceof URIError)) throw error;
      const detail = `it cannot be written: ${error.message}`;
      return { ok: false, server, kind: 'invalid', retryable: false, detail };
    }
    const request = { method, uri, origin: serverName, destination: server };
    const headers: Record<string, string> = {};
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    if (signed) headers['Authorization'] = signRequestText(request, body, key);
    return { ok: true, uri, headers, body };
  }

  #noAnswer(call: RemoteCall, { reason, retryable, detail }: OutboundFailure): RemoteFailure {
    const { server } = call;
    // Called off by us, or never begun: that says nothing about the other side.
    const isOurs = reason === 'aborted' || reason === 'busy';
    if (!isOurs) this.#failed(call);
    this.#uses.log.debug('federation.no_answer', { server, method: call.method, path: call.path, reason, detail });
    const kind = reason === 'busy' ? 'down' : 'unreachable';
    return { ok: false, server, kind, retryable, timedOut: reason === 'timeout', detail: `${reason}: ${detail}` };
  }

  #brokenOff({ server }: RemoteCall, status: number, detail: string, isTooLarge: boolean): RemoteFailure {
    return isTooLarge
      ? { ok: false, server, kind: 'invalid', status, retryable: false, detail }
      : { ok: false, server, kind: 'unreachable', retryable: true, detail };
  }

  #failed({ server, isHearsay = false }: RemoteCall): void {
    const { reachability } = this.#uses;
    if (!isHearsay || reachability.lastAnswered(server) !== undefined) reachability.failed(server);
  }

  #isLeftAlone({ server, evenIfDown = false }: RemoteCall): boolean {
    return !evenIfDown && this.#uses.reachability.isDown(server);
  }

  #down({ server }: RemoteCall): RemoteFailure {
    return { ok: false, server, kind: 'down', retryable: true, detail: 'it did not answer lately' };
  }
}

/** What a server says that does not do what it was asked. A proxy without its server is no answer of the server. */
async function refusal(server: ServerName, { status, headers, body }: TransportAnswer): Promise<RemoteFailure> {
  const bytes = await gather(body, errorMaxBytes);
  const value = Buffer.isBuffer(bytes) ? parseExactJson(bytes) : undefined;
  const { errcode, error } = isJsonObject(value) ? value : {};
  const isMatrix = typeof errcode === 'string';
  const detail = `it answered ${status}${isMatrix ? ` ${errcode}` : ''}`;
  if (!isMatrix && proxyErrors.has(status)) {
    return { ok: false, server, kind: 'unreachable', status, retryable: true, detail };
  }
  const retryAfter = waitOf(headers, value);
  return {
    ok: false,
    server,
    kind: status >= 400 ? 'refused' : 'invalid',
    status,
    ...(isMatrix ? { errcode } : {}),
    ...(typeof error === 'string' ? { error } : {}),
    retryable: status >= 500 || status === 429,
    ...(retryAfter === undefined ? {} : { retryAfter }),
    detail,
  };
}

/** Nobody waits for longer because another server says so. */
const longestWait = 60 * 60_000;

function waitOf(headers: IncomingHttpHeaders, value: unknown): Millis | undefined {
  const told = isJsonObject(value) ? value['retry_after_ms'] : undefined;
  const seconds = headers['retry-after'];
  const wait =
    seconds !== undefined && /^\d{1,9}$/.test(seconds)
      ? Number(seconds) * 1000
      : typeof told === 'number'
        ? told
        : undefined;
  return wait !== undefined && wait >= 0 ? millis(Math.min(longestWait, Math.ceil(wait))) : undefined;
}

function queryText(query: RemoteCall['query']): string {
  const parts: string[] = [];
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const each of typeof value === 'string' ? [value] : (value ?? [])) {
      parts.push(`${encodeURIComponent(name)}=${encodeURIComponent(each)}`);
    }
  }
  return parts.length === 0 ? '' : `?${parts.join('&')}`;
}

/** A path with its values percent-encoded: `` remotePath`/_matrix/federation/v1/event/${eventId}` ``. */
export function remotePath(texts: TemplateStringsArray, ...values: readonly string[]): string {
  return texts.reduce((path, text, index) => path + encodeURIComponent(values[index - 1] ?? '') + text);
}

/** What another server may say to our clients; never that their token is unknown, which is about its own. */
const passedOn: ReadonlySet<string> = new Set<ErrorCode>([
  'M_FORBIDDEN',
  'M_NOT_FOUND',
  'M_BAD_STATE',
  'M_INCOMPATIBLE_ROOM_VERSION',
  'M_UNSUPPORTED_ROOM_VERSION',
  'M_UNABLE_TO_AUTHORISE_JOIN',
  'M_UNABLE_TO_GRANT_JOIN',
  'M_INVITE_BLOCKED',
  'M_LIMIT_EXCEEDED',
  'M_RESOURCE_LIMIT_EXCEEDED',
  'M_TOO_LARGE',
  'M_INVALID_PARAM',
  'M_MISSING_PARAM',
  'M_NOT_YET_UPLOADED',
]);

/** What a client is told when another server fails it: that server's own words where they concern the client, else 502 or 504. */
export function remoteError(failure: RemoteFailure): MatrixError {
  const { server, kind, status = 0, errcode, error, detail } = failure;
  const options = { cause: new Error(`${server}: ${detail}`) };
  switch (kind) {
    case 'not-allowed':
      return new MatrixError(403, 'M_FORBIDDEN', `This server does not talk to ${server}`, options);
    case 'down':
      return new MatrixError(502, 'M_UNKNOWN', `${server} cannot be reached at the moment`, options);
    case 'unreachable':
      return failure.timedOut === true
        ? new MatrixError(504, 'M_UNKNOWN', `${server} takes too long to answer`, options)
        : new MatrixError(502, 'M_UNKNOWN', `${server} cannot be reached`, options);
    case 'invalid':
      return new MatrixError(502, 'M_UNKNOWN', `${server} gave an answer that cannot be used`, options);
    case 'refused':
      if (status < 500 && errcode !== undefined && passedOn.has(errcode)) {
        return new MatrixError(status, errcode as ErrorCode, error ?? `${server} refused`, options);
      }
      return new MatrixError(502, 'M_UNKNOWN', `${server} answered with an error`, options);
  }
}
