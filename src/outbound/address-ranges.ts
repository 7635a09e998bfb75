import { BlockList, isIP } from 'node:net';

/**
 * IPv4 that is no public host: this machine, the local network, shared and test ranges, multicast, the future.
 * @see https://www.iana.org/assignments/iana-ipv4-special-registry/
 */
const special4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];

/**
 * All public IPv6 hosts are in 2000::/3; these parts of it are none: protocols and tunnels that hide an IPv4 address
 * (Teredo, 6to4), and documentation.
 * @see https://www.iana.org/assignments/iana-ipv6-special-registry/
 */
const global6 = '2000::/3';
const special6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

const blocked = blockList([...special4, ...special6]);
const global = blockList([global6]);

/** Tells which addresses may be connected to. */
export class AddressRanges {
  readonly #allowed: BlockList;

  /** `allowed`: addresses and ranges (`10.0.0.0/8`) that may be reached although they are not public. */
  constructor(allowed: readonly string[]) {
    this.#allowed = blockList(allowed);
  }

  mayConnect(address: string): boolean {
    return this.isAllowed(address) || isPublic(address);
  }

  /** Whether the admin named the address. */
  isAllowed(address: string): boolean {
    const plain = plainAddress(address);
    return has(this.#allowed, plain) || (plain !== address && has(this.#allowed, address));
  }
}

/** Whether an address is a host of the public internet, as far as its form tells. Anything that is no address is not. */
export function isPublic(address: string): boolean {
  const plain = plainAddress(address);
  switch (isIP(plain)) {
    case 4:
      return !has(blocked, plain);
    case 6:
      return has(global, plain) && !has(blocked, plain);
    default:
      return false;
  }
}

/** The IPv4 address that a mapped (`::ffff:0:0/96`) or translated (NAT64, `64:ff9b::/96`) one stands for. */
function plainAddress(address: string): string {
  if (isIP(address) !== 6) return address;
  const words = wordsOf(address);
  const isMapped = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff;
  const isTranslated = words[0] === 0x64 && words[1] === 0xff9b && words.slice(2, 6).every((word) => word === 0);
  if (!isMapped && !isTranslated) return address;
  return words
    .slice(6)
    .flatMap((word) => [word >> 8, word & 0xff])
    .join('.');
}

/** The eight 16-bit words of a valid IPv6 address. */
function wordsOf(address: string): number[] {
  const text = (address.split('%')[0] ?? '').replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...parts: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = parts.slice(0, 4).map(Number);
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const words = (part: string) => (part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16)));
  const [head = '', tail] = text.split('::');
  if (tail === undefined) return words(head);
  const [before, after] = [words(head), words(tail)];
  return [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after];
}

function has(list: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && list.check(address.split('%')[0] ?? '', family === 6 ? 'ipv6' : 'ipv4');
}

function blockList(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', bits] = range.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}
