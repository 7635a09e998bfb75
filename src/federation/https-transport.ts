import { isIPv6 } from 'node:net';
import type { Config } from '../config/config.ts';
import type { AddressRanges } from '../outbound/address-ranges.ts';
import { OutboundHttp } from '../outbound/outbound-http.ts';
import type { Dns } from '../outbound/resolve-dns.ts';
import type { TlsSettings } from '../outbound/secure-agent.ts';
import { failure, type OutboundFailure } from '../outbound/types.ts';
import { untilAborted } from '../outbound/until-aborted.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import type { Database } from '../store/db.ts';
import type { DiscoveryStore } from '../store/federation/discovery.ts';
import type { Clock } from '../util/clock.ts';
import type { Log } from '../util/log.ts';
import { Lru } from '../util/lru.ts';
import type { Random } from '../util/random.ts';
import { limited } from './answer-body.ts';
import { Discovery } from './discovery/discovery.ts';
import { rememberingDns } from './discovery/dns-memory.ts';
import type { Target } from './discovery/target.ts';
import { WellKnown } from './discovery/well-known.ts';
import type { Transport, TransportRequest, TransportResult } from './transport.ts';

export interface HttpsTransportUses {
  readonly db: Database;
  readonly discovery: DiscoveryStore;
  readonly dns: Dns;
  readonly ranges: AddressRanges;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly config: { readonly federation: Pick<Config['federation'], 'resolve' | 'verifyCertificates'> };
  /** The certificate authorities of `federation.custom_ca_files`, in PEM form. */
  readonly authorities?: readonly string[];
  /** Where well-known documents are asked for: 443, but for tests. */
  readonly wellKnownPort?: number;
}

/** Calls and well-known documents under way: more than `FederationClient` has calls, so that neither waits for the other. */
const slots = 144;

/**
 * Connections that are kept open between calls, to all servers together: those of a few lively rooms. Each holds some
 * 50 KiB; opening one costs a board a noticeable part of a second.
 */
const maxIdle = 24;

/** Places of servers that were found lately, a few hundred bytes each. */
const rememberedTargets = 512;
const rememberFor = 5 * 60 * 1000;

interface Remembered {
  readonly targets: readonly Target[];
  readonly until: number;
}

/** Carries calls over HTTPS to wherever a server is found by its name. */
export class HttpsTransport implements Transport {
  readonly #clock: Clock;
  readonly #http: OutboundHttp;
  readonly #discovery: Discovery;
  readonly #found = new Lru<ServerName, Remembered>(rememberedTargets);

  constructor(uses: HttpsTransportUses) {
    const { clock, ranges, config, authorities = [] } = uses;
    const dns = rememberingDns(uses.dns, clock);
    const tls: TlsSettings = {
      verify: config.federation.verifyCertificates,
      ...(authorities.length === 0 ? {} : { authorities: { more: authorities } }),
    };
    this.#clock = clock;
    this.#http = new OutboundHttp({ ranges, resolveDns: dns.addresses, clock, slots, maxIdle, tls });
    const wellKnown = new WellKnown({ ...uses, http: this.#http, port: uses.wellKnownPort ?? 443 });
    this.#discovery = new Discovery({
      dns,
      random: uses.random,
      resolve: config.federation.resolve,
      delegated: (host) => wellKnown.delegated(host),
    });
  }

  async send(request: TransportRequest): Promise<TransportResult> {
    const abort = new AbortController();
    const callOff = () => abort.abort('aborted');
    if (request.signal?.aborted === true) callOff();
    request.signal?.addEventListener('abort', callOff);
    const listenNoMore = () => request.signal?.removeEventListener('abort', callOff);
    const cancel = this.#clock.after(request.timeout, () => abort.abort('timeout'));
    const result = await this.#sendTo(request, abort.signal);
    cancel();
    if (result.ok) return { ...result, body: limited(result.body, listenNoMore) };
    listenNoMore();
    return result;
  }

  async #sendTo(request: TransportRequest, signal: AbortSignal): Promise<TransportResult> {
    const targets = await this.#targets(request.server, signal);
    return Array.isArray(targets) ? this.#try(targets, request, signal) : targets;
  }

  /** Breaks off what is under way and closes all connections. */
  close(): void {
    this.#http.close();
  }

  async #targets(server: ServerName, signal: AbortSignal): Promise<Target[] | OutboundFailure> {
    const known = this.#found.get(server);
    const now = this.#clock.monotonic();
    if (known !== undefined && now < known.until) return [...known.targets];
    try {
      const targets = await untilAborted(this.#discovery.find(server), signal);
      if (targets.length === 0) return failure('dns', 'it says that it is not to be found');
      this.#found.set(server, { targets, until: now + rememberFor });
      return [...targets];
    } catch (error) {
      if (signal.aborted) return calledOff(signal, 'while looking for it');
      return failure('dns', error instanceof Error ? error.message : String(error));
    }
  }

  /** The places of a server one after the other, until one answers. */
  async #try(targets: readonly Target[], request: TransportRequest, signal: AbortSignal): Promise<TransportResult> {
    let last = failure('dns', 'it is nowhere');
    for (const { host, port, hostHeader, tlsName, isConfigured } of targets) {
      const { method, headers, body, uri, timeout } = request;
      const result = await this.#http.open({
        method,
        url: `https://${isIPv6(host) ? `[${host}]` : host}:${port}${uri}`,
        headers,
        ...(body === undefined ? {} : { body }),
        host: hostHeader,
        tlsName,
        isConfigured,
        timeout,
        plainHttp: 'nowhere',
        signal,
      });
      if (result.ok) return result;
      if (signal.aborted) return calledOff(signal, result.detail);
      last = result;
    }
    // It may have moved.
    this.#found.delete(request.server);
    return last;
  }
}

const calledOff = (signal: AbortSignal, detail: string): OutboundFailure =>
  failure(signal.reason === 'timeout' ? 'timeout' : 'aborted', detail);
