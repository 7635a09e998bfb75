import type { Dns, SrvRecord } from '../../outbound/resolve-dns.ts';
import type { Clock } from '../../util/clock.ts';
import { Lru } from '../../util/lru.ts';

/** Names of the servers that are talking now, a few hundred bytes each. */
const remembered = 512;
/** Shorter than any server that moves lets its records live, long enough for a conversation. */
const lifetime = 60_000;

interface Remembered<T> {
  readonly value: T;
  readonly until: number;
}

/** The same name servers, not asked again for what they have just said. Failures are not kept. */
export function rememberingDns(dns: Dns, clock: Clock): Dns {
  return {
    addresses: remembering((name) => dns.addresses(name), clock),
    srv: remembering<readonly SrvRecord[]>((name) => dns.srv(name), clock),
  };
}

function remembering<T>(ask: (name: string) => Promise<T>, clock: Clock): (name: string) => Promise<T> {
  const memory = new Lru<string, Remembered<T>>(remembered);
  return async (name) => {
    const known = memory.get(name);
    if (known !== undefined && clock.monotonic() < known.until) return known.value;
    const value = await ask(name);
    memory.set(name, { value, until: clock.monotonic() + lifetime });
    return value;
  };
}
