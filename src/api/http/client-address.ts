import type { IncomingHttpHeaders } from 'node:http';
import { BlockList, isIP } from 'node:net';

/** Tells the client's address; what a proxy says about it is believed only of the proxies that the admin named. */
export class ClientAddress {
  readonly #trusted = new BlockList();

  /** `trustedProxies`: addresses and ranges (`10.0.0.0/8`). */
  constructor(trustedProxies: readonly string[]) {
    for (const range of trustedProxies) {
      const [address = '', bits] = range.split('/');
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      if (bits === undefined) this.#trusted.addAddress(address, family);
      else this.#trusted.addSubnet(address, Number(bits), family);
    }
  }

  /** `peer` is the socket's other end; `undefined` on a unix socket, which only this machine's proxy can reach. */
  of(peer: string | undefined, headers: IncomingHttpHeaders): string {
    const nearest = plain(peer ?? '');
    const forwarded = headers['x-forwarded-for'];
    if (forwarded === undefined || !this.isProxy(peer)) return nearest;
    // Each proxy appends who called it, so the list is read from its end up to the first stranger.
    const hops = (Array.isArray(forwarded) ? forwarded.join(',') : forwarded).split(',');
    let client = nearest;
    for (let i = hops.length - 1; i >= 0; i--) {
      const hop = plain((hops[i] as string).trim());
      if (isIP(hop) === 0) break;
      client = hop;
      if (!this.#isTrusted(hop)) break;
    }
    return client;
  }

  /** Whether what comes from there comes from others: from one of the named proxies, or through a unix socket. */
  isProxy(peer: string | undefined): boolean {
    const nearest = plain(peer ?? '');
    return nearest === '' || this.#isTrusted(nearest);
  }

  #isTrusted(address: string): boolean {
    return this.#trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  }
}

/** An IPv4 address that came over an IPv6 socket, as IPv4. */
function plain(address: string): string {
  return address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
}
