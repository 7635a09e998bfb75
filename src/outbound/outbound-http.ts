import type { Agent as HttpAgent } from 'node:http';
import { isIP } from 'node:net';
import { millis } from '../util/brand.ts';
import type { Clock } from '../util/clock.ts';
import { Agent, nodeHttps, request as plainRequest } from '../util/node-http.ts';
import { version } from '../util/version.ts';
import type { AddressRanges } from './address-ranges.ts';
import { type AnswerHead, exchange, plainHost, readWhole } from './exchange.ts';
import type { ResolveDns } from './resolve-dns.ts';
import { secureAgent, type TlsSettings } from './secure-agent.ts';
import { Slots } from './slots.ts';
import { StreamedBody } from './streamed-body.ts';
import {
  failure,
  type OutboundFailure,
  type OutboundRequest,
  type OutboundResult,
  type OutboundStream,
  type StreamRequest,
} from './types.ts';
import { untilAborted } from './until-aborted.ts';

export interface OutboundHttpOptions {
  readonly ranges: AddressRanges;
  readonly resolveDns: ResolveDns;
  readonly clock: Clock;
  /** Requests at once; with those kept open between requests this bounds the sockets. */
  readonly slots?: number;
  /** Connections kept open for the next request, to all hosts together; a few unless given. */
  readonly maxIdle?: number;
  readonly tls?: TlsSettings;
}

/** Requests under way: a board's memory and its router's table allow for about so many. */
const defaultSlots = 32;
/** Requests that wait for a place: a few hundred bytes each. More of them would only time out at their callers. */
const longestQueue = 1024;
/** Connections kept open for the next request. */
const fewIdle = 8;
const idleTime = 15_000;
/**
 * Node goes on to the next address of a name after a quarter of a second, and fails if none has answered by then: too
 * short for another continent over a slow line.
 */
const connectTime = 2500;
const agentOptions = { keepAlive: true, timeout: idleTime, autoSelectFamilyAttemptTimeout: connectTime };
/** Addresses of a name that are tried; names with more exist to annoy. */
const maxAddresses = 8;

const standardHeaders = { 'User-Agent': `Hearth/${version}`, 'Accept-Encoding': 'identity' };

const redirects = new Set([301, 302, 303, 307, 308]);

/** What both kinds of requests have; where one leads may be settled by the admin, whatever its address. */
type Asked = Pick<OutboundRequest, 'plainHttp'> & Partial<Pick<StreamRequest, 'host' | 'tlsName' | 'isConfigured'>>;

/** One request on the way to an answer. */
interface Hop {
  readonly url: URL | undefined;
  readonly method: OutboundRequest['method'];
  readonly body: OutboundRequest['body'] | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * HTTP to hosts that others have named: it connects to public addresses only, and to those that the admin allows.
 * The address that is checked is the one connected to, also after redirects. What goes wrong is a value.
 */
export class OutboundHttp {
  readonly #options: OutboundHttpOptions;
  readonly #slots: Slots;
  /** As many as slots, each with what stops listening to its caller. */
  readonly #underWay = new Map<AbortController, () => void>();
  readonly #maxIdle: number;
  readonly #plain: HttpAgent;
  #secure: HttpAgent | undefined;
  #closed = false;

  constructor(options: OutboundHttpOptions) {
    this.#options = options;
    this.#slots = new Slots(options.slots ?? defaultSlots, longestQueue);
    this.#maxIdle = options.maxIdle ?? fewIdle;
    this.#plain = new Agent(agentOptions);
  }

  /** Never rejects. */
  async request(request: OutboundRequest): Promise<OutboundResult> {
    if (!this.#options.clock.isRight) return timeUnknown();
    if (!(await this.#slots.take())) return failure('busy', 'too many requests wait already');
    const abort = this.#begin(request.signal);
    const cancel = this.#options.clock.after(request.timeout, () => abort.abort('timeout'));
    try {
      return await this.#follow(request, abort.signal);
    } finally {
      cancel();
      this.#end(abort);
    }
  }

  /**
   * The same up to the head of the answer; its body is read by the caller, who has a place among the requests under
   * way until the body has ended or is left. Redirects are not followed. Never rejects.
   */
  async open(request: StreamRequest): Promise<OutboundStream | OutboundFailure> {
    const { clock } = this.#options;
    if (!clock.isRight) return timeUnknown();
    if (!(await this.#slots.take())) return failure('busy', 'too many requests wait already');
    const abort = this.#begin(request.signal);
    const cancel = clock.after(request.timeout, () => abort.abort('timeout'));
    let isHandedOver = false;
    try {
      const url = parseUrl(request.url);
      if (url === undefined) return failure('url', 'this is no URL of a web server');
      const headers = { ...standardHeaders, ...request.headers };
      const hop = { url, method: request.method, body: request.body, headers };
      const head = await this.#ask(hop, request, abort.signal);
      if (!head.ok) return head;
      isHandedOver = true;
      const { response } = head;
      const ended = () => this.#end(abort);
      const body = new StreamedBody(response, { clock, timeout: request.timeout, ended });
      return { ok: true, status: response.statusCode ?? 0, headers: response.headers, body };
    } finally {
      cancel();
      if (!isHandedOver) this.#end(abort);
    }
  }

  /** Breaks off what is under way and closes all connections. */
  close(): void {
    this.#closed = true;
    for (const abort of this.#underWay.keys()) abort.abort('closed');
    this.#plain.destroy();
    this.#secure?.destroy();
  }

  #begin(signal: AbortSignal | undefined): AbortController {
    const abort = new AbortController();
    const callOff = () => abort.abort('aborted');
    if (this.#closed || signal?.aborted === true) callOff();
    signal?.addEventListener('abort', callOff);
    this.#underWay.set(abort, () => signal?.removeEventListener('abort', callOff));
    return abort;
  }

  #end(abort: AbortController): void {
    this.#underWay.get(abort)?.();
    if (this.#underWay.delete(abort)) this.#slots.giveBack();
  }

  async #follow(request: OutboundRequest, signal: AbortSignal): Promise<OutboundResult> {
    const maxRedirects = request.maxRedirects ?? 0;
    let hop: Hop = {
      url: parseUrl(request.url),
      method: request.method,
      body: request.body,
      headers: { ...standardHeaders, ...request.headers },
    };
    for (let followed = 0; ; followed++) {
      const { url }: Hop = hop;
      if (url === undefined) return failure('url', 'this is no URL of a web server');
      const head = await this.#ask({ ...hop, url }, request, signal);
      const result = head.ok ? await readWhole(head.response, request.maxBytes, signal) : head;
      const target = result.ok && redirects.has(result.status) ? result.headers.location : undefined;
      if (!result.ok || target === undefined || maxRedirects === 0) return result;
      if (followed >= maxRedirects) return failure('redirects', 'it redirects too often');
      hop = redirected({ ...hop, url }, result.status, target);
      if (url.protocol === 'https:' && hop.url?.protocol === 'http:') {
        return failure('redirects', 'it redirects from TLS to none');
      }
    }
  }

  async #ask(hop: Hop & { url: URL }, asked: Asked, signal: AbortSignal): Promise<AnswerHead | OutboundFailure> {
    const addresses = await this.#addresses(hop.url, asked, signal);
    if (!Array.isArray(addresses)) return addresses;
    const secure = hop.url.protocol === 'https:';
    return exchange({
      ...hop,
      addresses,
      host: asked.host,
      tlsName: asked.tlsName,
      signal,
      request: secure ? nodeHttps().request : plainRequest,
      agent: this.#agent(secure),
    });
  }

  /** The addresses of the host that may be connected to. */
  async #addresses(url: URL, asked: Asked, signal: AbortSignal): Promise<string[] | OutboundFailure> {
    const host = plainHost(url);
    let found: readonly string[] = [host];
    if (isIP(host) === 0) {
      try {
        found = await untilAborted(this.#options.resolveDns(host), signal);
      } catch (error) {
        if (signal.aborted) return failure(signal.reason === 'timeout' ? 'timeout' : 'aborted', 'while looking it up');
        return failure('dns', error instanceof Error ? error.message : String(error));
      }
    }
    const { ranges } = this.#options;
    const isPlain = url.protocol === 'http:';
    if (isPlain && asked.plainHttp === 'nowhere') return failure('url', 'it would not be encrypted');
    if (asked.isConfigured === true) return found.slice(0, maxAddresses);
    const onlyAllowed = isPlain && asked.plainHttp === 'allowed-ranges';
    const may = found.filter((address) => (onlyAllowed ? ranges.isAllowed(address) : ranges.mayConnect(address)));
    if (may.length > 0) return may.slice(0, maxAddresses);
    const why = onlyAllowed ? 'it is not encrypted' : 'the address is not public';
    return failure('denied', `${why}, and network.allow_ip_ranges does not name ${host}`);
  }

  #agent(secure: boolean): HttpAgent {
    if (secure) this.#secure ??= secureAgent(agentOptions, this.#options.tls);
    const agent = secure && this.#secure !== undefined ? this.#secure : this.#plain;
    // The agent bounds what it keeps for each host; hosts there are any number of.
    const idle = Object.values(agent.freeSockets).flatMap((sockets) => sockets ?? []);
    for (const socket of idle.slice(0, Math.max(0, idle.length - this.#maxIdle + 1))) socket.destroy();
    return agent;
  }
}

/** The certificate of whoever answers could not be judged. */
const timeUnknown = (): OutboundFailure => failure('busy', 'this server does not know the time');

/** Where a redirect leads, and with what. Secrets were meant for the first host only. */
function redirected(hop: Hop & { url: URL }, status: number, target: string): Hop {
  const url = parseUrl(target, hop.url);
  const headers = url?.host === hop.url.host ? hop.headers : withoutSecrets(hop.headers);
  return status < 307 && hop.method !== 'GET'
    ? { url, headers, method: 'GET', body: undefined }
    : { ...hop, url, headers };
}

/** For a request to a server that is well, on a slow line. */
export const usualTimeout = millis(10_000);

function parseUrl(text: string, base?: URL): URL | undefined {
  if (!URL.canParse(text, base?.href)) return undefined;
  const url = new URL(text, base);
  const isWeb = url.protocol === 'https:' || url.protocol === 'http:';
  return isWeb && url.username === '' && url.password === '' ? url : undefined;
}

function withoutSecrets(headers: Readonly<Record<string, string>>): Record<string, string> {
  const secret = new Set(['authorization', 'cookie']);
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !secret.has(name.toLowerCase())));
}
