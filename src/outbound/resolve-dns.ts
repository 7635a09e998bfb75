import { Resolver } from 'node:dns/promises';

/** The addresses of a host name, at least one; rejects if there are none or nobody answers. */
export type ResolveDns = (name: string) => Promise<readonly string[]>;

/** Milliseconds for the first try of a name server, and tries; each waits longer than the one before. */
const resolverOptions = { timeout: 2000, tries: 3 };

/**
 * Asks the system's name servers (or `servers`) over the network itself. `dns.lookup` would take a thread of the
 * process's only pool for as long as a dead name server stays silent; the price is that `/etc/hosts` is not read.
 */
export function systemDns(servers?: readonly string[]): ResolveDns {
  return async (name) => {
    // A new one each time reads who the name servers are: many boards learn it only after the server has started.
    const resolver = new Resolver(resolverOptions);
    if (servers !== undefined) resolver.setServers(servers);
    const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    const [first] = answers;
    if (addresses.length > 0) return addresses;
    if (first.status === 'rejected') throw first.reason;
    throw new Error('the name has no addresses');
  };
}
