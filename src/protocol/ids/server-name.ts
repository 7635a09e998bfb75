import type { ServerName } from './types.ts';

/** The parts of a server name. `host` is without the brackets of an IPv6 literal. */
export interface ServerAddress {
  readonly host: string;
  readonly kind: 'ipv4' | 'ipv6' | 'dns';
  readonly port: number | undefined;
}

const dnsOrIpv4 = /^([0-9A-Za-z.-]{1,255})(?::(\d{1,5}))?$/;
const bracketed = /^\[([0-9A-Fa-f:.]{2,45})\](?::(\d{1,5}))?$/;
const dottedQuad = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;

/** Longest server name that fits into an identifier with its sigil, colon and one letter. */
const maxLength = 255;

/**
 * Whether `text` is a server name: a DNS name, an IPv4 address or an IPv6 address in brackets, with an optional port.
 * Case matters and is kept. Dotted numbers beyond 255 are DNS names to the grammar.
 * @see https://spec.matrix.org/v1.19/appendices/#server-name
 */
export function isServerName(text: string): text is ServerName {
  if (text.length > maxLength) return false;
  if (dnsOrIpv4.test(text)) return true;
  const ipv6 = bracketed.exec(text)?.[1];
  return ipv6 !== undefined && isIpv6(ipv6);
}

export function parseServerName(text: string): ServerName | undefined {
  return isServerName(text) ? text : undefined;
}

/** Brands a text that is known to be a server name; throws `TypeError` if it is none. */
export function asServerName(text: string): ServerName {
  if (!isServerName(text)) throw new TypeError('not a server name');
  return text;
}

/** Takes a server name apart. */
export function serverAddress(name: ServerName): ServerAddress {
  const ipv6 = bracketed.exec(name);
  if (ipv6 !== null) return { host: ipv6[1] ?? '', kind: 'ipv6', port: portOf(ipv6[2]) };
  const [, host = name, port] = dnsOrIpv4.exec(name) ?? [];
  return { host, kind: dottedQuad.test(host) ? 'ipv4' : 'dns', port: portOf(port) };
}

function portOf(digits: string | undefined): number | undefined {
  return digits === undefined ? undefined : Number(digits);
}

function isIpv6(text: string): boolean {
  return URL.canParse(`http://[${text}]/`);
}
