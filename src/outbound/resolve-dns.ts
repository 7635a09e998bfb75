import { Resolver } from 'node:dns/promises';

/** The addresses of a host name, at least one; rejects if there are none or nobody answers. */
export type ResolveDns = (name: string) => Promise<readonly string[]>;

/** One place where a service is offered (RFC 2782). */
export interface SrvRecord {
  readonly name: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

/** What is asked of name servers. */
export interface Dns {
  readonly addresses: ResolveDns;
  /** The places that offer a service, in no order; none if the name does not exist. Rejects if nobody answers. */
  srv(name: string): Promise<readonly SrvRecord[]>;
}

/** Milliseconds for the first try of a name server, and tries; each waits longer than the one before. */
const resolverOptions = { timeout: 2000, tries: 3 };

/**
 * There is no such record, as far as can be told: also when a name server (of a home router, say) does not know the
 * kind of record at all.
 */
const absent: ReadonlySet<unknown> = new Set(['ENODATA', 'ENOTFOUND', 'ENOTIMP', 'EFORMERR', 'EREFUSED']);

/**
 * Asks the system's name servers (or `servers`) over the network itself. `dns.lookup` would take a thread of the
 * process's only pool for as long as a dead name server stays silent; the price is that `/etc/hosts` is not read.
 */
export function systemDns(servers?: readonly string[]): Dns {
  const resolver = () => {
    // A new one each time reads who the name servers are: many boards learn it only after the server has started.
    const made = new Resolver(resolverOptions);
    if (servers !== undefined) made.setServers(servers);
    return made;
  };
  return {
    async addresses(name) {
      const asked = resolver();
      const answers = await Promise.allSettled([asked.resolve4(name), asked.resolve6(name)]);
      const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
      const [first] = answers;
      if (addresses.length > 0) return addresses;
      if (first.status === 'rejected') throw first.reason;
      throw new Error('the name has no addresses');
    },
    async srv(name) {
      try {
        const records = await resolver().resolveSrv(name);
        return records.map(({ name, port, priority, weight }) => ({ name, port, priority, weight }));
      } catch (error) {
        if (error instanceof Error && 'code' in error && absent.has(error.code)) return [];
        throw error;
      }
    },
  };
}
