import type { Agent, AgentOptions } from 'node:https';
import { nodeHttps, nodeTls } from '../util/node-http.ts';

export interface TlsSettings {
  /** Certificate authorities (PEM): in place of the usual ones, or in addition to them. */
  readonly authorities?: { readonly only?: string; readonly more?: readonly string[] };
  /** `false`: any certificate will do. For test networks. */
  readonly verify?: boolean;
}

/**
 * Sessions that a new connection can go on from without a whole handshake, which takes a board several times as long: those
 * of the servers of a lively room, as each of its events goes to all of them. Up to 4 kB each, mostly certificate.
 */
const maxCachedSessions = 400;

/**
 * Keeps TLS connections. They are told apart by the name that the certificate was checked for, too: what was opened
 * to a host in the name of one server must not carry requests for another one at the same place.
 */
export function secureAgent(options: AgentOptions, settings: TlsSettings = {}): Agent {
  const { authorities, verify = true } = settings;
  const made = new (nodeHttps().Agent)({
    maxCachedSessions,
    ...options,
    ...(verify ? {} : { rejectUnauthorized: false }),
    ...(authorities === undefined ? {} : { secureContext: trusting(authorities) }),
  });
  const usual = made.getName.bind(made);
  made.getName = (given) => {
    const name = given !== undefined && 'tlsName' in given ? String(given.tlsName) : '';
    return `${usual(given)}:${name}`;
  };
  return made;
}

// Made once: parsing a hundred and fifty certificates for each connection would take longer than the connection.
function trusting({ only, more = [] }: NonNullable<TlsSettings['authorities']>) {
  const { createSecureContext, rootCertificates } = nodeTls();
  return createSecureContext({ ca: [...(only === undefined ? rootCertificates : [only]), ...more] });
}
