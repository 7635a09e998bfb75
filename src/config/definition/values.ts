import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { parseServerName } from '../../protocol/ids/server-name.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import { type Kind, parsed } from './kinds.ts';

export const serverName: Kind<ServerName> = parsed('a server name such as "example.org"', parseServerName);

/** An IPv4 or IPv6 range in CIDR form, or a single address. */
export const ipRange: Kind<string> = parsed('an IP address or range such as "10.0.0.0/8"', (value) => {
  const [address = '', bits, ...rest] = value.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return undefined;
  if (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))) return undefined;
  return value;
});

/** Where an overridden server is reached: `host:port`, the host possibly an IPv6 literal in brackets. */
export const hostAndPort: Kind<string> = parsed('a host and port such as "127.0.0.1:8448"', (value) => {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(value);
  if (!match || Number(match[3]) < 1 || Number(match[3]) > 65_535) return undefined;
  return match[1] === undefined || isIP(match[1]) === 6 ? value : undefined;
});

/** A server name, in which `*` stands for any characters and `?` for one. */
export const serverGlob: Kind<string> = parsed('a server name, possibly with * and ?', (value) =>
  /^[A-Za-z0-9.:[\]*?-]+$/.test(value) ? value : undefined,
);

/** Where to listen: an IP address, `localhost`, or a unix socket's path, which becomes absolute. */
export const listenAddress: Kind<string> = {
  words: 'an IP address, "localhost", or the path of a unix socket',
  inEnv: 'text',
  read(value, scope) {
    if (typeof value === 'string' && (isIP(value) !== 0 || value === 'localhost')) return value;
    if (typeof value === 'string' && value.includes('/') && !value.includes('\0')) return resolve(scope.folder, value);
    return scope.fail(`must be ${listenAddress.words}`);
  },
};
