import type { Dns } from '../../outbound/resolve-dns.ts';
import { serverAddress } from '../../protocol/ids/server-name.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import type { Random } from '../../util/random.ts';
import { srvOrder } from './srv.ts';
import { standardPort, type Target } from './target.ts';

export interface DiscoveryUses {
  readonly dns: Pick<Dns, 'srv'>;
  readonly random: Random;
  /** `federation.resolve`: `host:port` by server name. */
  readonly resolve: ReadonlyMap<string, string>;
  /** The server name that a host delegates to by its well-known document, if it does. */
  readonly delegated: (host: string) => Promise<ServerName | undefined>;
}

/** Where servers are found. Rejects where name servers do not answer; finding nothing is an empty list. */
export class Discovery {
  readonly #uses: DiscoveryUses;

  constructor(uses: DiscoveryUses) {
    this.#uses = uses;
  }

  /**
   * The places at which a server may be reached, the best first. The numbers are those of the specification.
   * @see https://spec.matrix.org/v1.19/server-server-api/#resolving-server-names
   */
  async find(server: ServerName): Promise<readonly Target[]> {
    const configured = this.#uses.resolve.get(server);
    if (configured !== undefined) return [configuredTarget(server, configured)];
    const { host, kind, port } = serverAddress(server);
    // 1. and 2.
    if (kind !== 'dns' || port !== undefined) return [plainTarget(server)];
    // 3.
    const delegated = await this.#uses.delegated(host);
    if (delegated === undefined) return this.#byName(host);
    const target = serverAddress(delegated);
    // 3.1 and 3.2
    if (target.kind !== 'dns' || target.port !== undefined) return [plainTarget(delegated)];
    // 3.3 to 3.5
    return this.#byName(target.host);
  }

  /** 3.3 to 3.5 for a host that was delegated to, 4 to 6 for one that was not. */
  async #byName(host: string): Promise<readonly Target[]> {
    const { dns, random } = this.#uses;
    for (const service of ['_matrix-fed._tcp', '_matrix._tcp']) {
      const records = await dns.srv(`${service}.${host}`);
      if (records.length > 0) {
        return srvOrder(records, random).map(({ name, port }) => ({ ...plain(host, host, port), host: name }));
      }
    }
    return [plain(host, host, standardPort)];
  }
}

/** A server at its own name, whose `Host` header is the name as it was given. */
function plainTarget(server: ServerName): Target {
  const { host, port } = serverAddress(server);
  return plain(host, server, port ?? standardPort);
}

function plain(host: string, hostHeader: string, port: number): Target {
  return { host, port, hostHeader, tlsName: host, isConfigured: false };
}

/** The admin knows a shorter way; the server is asked by its own name all the same. */
function configuredTarget(server: ServerName, place: string): Target {
  const colon = place.lastIndexOf(':');
  const host = place.slice(0, colon).replace(/^\[|\]$/g, '');
  const port = Number(place.slice(colon + 1));
  return { host, port, hostHeader: server, tlsName: serverAddress(server).host, isConfigured: true };
}
