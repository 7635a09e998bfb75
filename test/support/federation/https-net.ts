import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { HttpsTransport, type HttpsTransportUses } from '../../../src/federation/https-transport.ts';
import { AddressRanges } from '../../../src/outbound/address-ranges.ts';
import type { Dns, SrvRecord } from '../../../src/outbound/resolve-dns.ts';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import { millis } from '../../../src/util/brand.ts';
import { silentLog } from '../../../src/util/log.ts';
import { SeededRandom } from '../seeded-random.ts';
import { openTestStore } from '../store.ts';
import { FakeClock } from '../stubs/fake-clock.ts';
import type { IssuedCertificate, ThrowAwayCa } from '../throw-away-ca.ts';

/** An address of this machine that no other test process uses for its servers at fixed ports. */
export const ownLoopback = `127.${(process.pid >> 16) & 0xff}.${(process.pid >> 8) & 0xff}.${process.pid & 0xff || 1}`;

export interface SeenRequest {
  readonly url: string;
  readonly host: string | undefined;
  /** What was told in TLS; `false`: nothing. */
  readonly sni: string | false | undefined;
}

export interface HttpsStub extends AsyncDisposable {
  readonly port: number;
  readonly seen: SeenRequest[];
  /** Opened so far, and of these still open. */
  connections: number;
  open: number;
}

/** A web server on this machine. */
export async function httpsStub(
  certificate: IssuedCertificate,
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  place: { readonly port?: number; readonly address?: string } = {},
): Promise<HttpsStub> {
  const seen: SeenRequest[] = [];
  const server = createServer({ cert: certificate.cert, key: certificate.key }, (request, response) => {
    const { servername } = request.socket as TLSSocket & { servername?: string | false };
    seen.push({ url: request.url ?? '', host: request.headers.host, sni: servername });
    handler(request, response);
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(place.port ?? 0, place.address ?? ownLoopback, resolve);
  });
  const stub: HttpsStub = {
    port: (server.address() as AddressInfo).port,
    seen,
    connections: 0,
    open: 0,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
  server.on('connection', (socket) => {
    stub.connections++;
    stub.open++;
    socket.on('close', () => stub.open--);
  });
  return stub;
}

export interface FakeDns extends Dns {
  readonly asked: string[];
}

/** Name servers that know what the tables say. */
export function fakeDns(
  hosts: Readonly<Record<string, readonly string[]>>,
  services: Readonly<Record<string, readonly Partial<SrvRecord>[] | Error>> = {},
): FakeDns {
  const asked: string[] = [];
  return {
    asked,
    addresses(name) {
      asked.push(name);
      const found = hosts[name] ?? [];
      return found.length > 0 ? Promise.resolve(found) : Promise.reject(new Error('queryA ENOTFOUND'));
    },
    srv(name) {
      asked.push(name);
      const found = services[name] ?? [];
      if (found instanceof Error) return Promise.reject(found);
      return Promise.resolve(found.map((each) => ({ name: '.', port: 0, priority: 0, weight: 0, ...each })));
    },
  };
}

export interface TransportOptions {
  readonly dns: Dns;
  readonly ca?: ThrowAwayCa;
  readonly wellKnownPort?: number;
  readonly resolve?: Readonly<Record<string, string>>;
  readonly allowed?: readonly string[];
  readonly verify?: boolean;
}

/** The transport of a server, with a database and a clock of its own. */
export function openTransport(options: TransportOptions) {
  const clock = new FakeClock();
  const { ca, wellKnownPort = 1, resolve = {}, allowed = ['127.0.0.0/8'], verify = true } = options;
  const store = openTestStore();
  const uses: HttpsTransportUses = {
    db: store.db,
    discovery: store.stores.discovery,
    dns: options.dns,
    ranges: new AddressRanges(allowed),
    clock,
    random: new SeededRandom(),
    log: silentLog,
    config: { federation: { resolve: new Map(Object.entries(resolve)), verifyCertificates: verify } },
    authorities: ca === undefined ? [] : [ca.cert],
    wellKnownPort,
  };
  let transport = new HttpsTransport(uses);
  return {
    clock,
    store,
    /** A new process on the same database. */
    restart() {
      transport.close();
      transport = new HttpsTransport(uses);
    },
    /** Status and body, or why there is none. */
    async get(server: string, uri = '/x', timeout = 5000): Promise<string> {
      const result = await transport.send({
        server: asServerName(server),
        method: 'GET',
        uri,
        headers: {},
        timeout: millis(timeout),
      });
      if (!result.ok) return result.reason;
      const pieces: Buffer[] = [];
      for await (const piece of result.body) pieces.push(piece);
      return `${result.status} ${Buffer.concat(pieces).toString('utf8')}`;
    },
    send: (...request: Parameters<HttpsTransport['send']>) => transport.send(...request),
    async [Symbol.asyncDispose]() {
      transport.close();
      await store[Symbol.asyncDispose]();
    },
  };
}
