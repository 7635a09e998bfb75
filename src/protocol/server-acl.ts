import type { JsonObject } from '../util/json.ts';
import { serverAddress } from './ids/server-name.ts';
import type { ServerName } from './ids/types.ts';
import { type TextTest, wholeGlob } from './push-rules/glob.ts';

/**
 * The servers that may take part in a room, from the content of its `m.room.server_acl`. A room without that event
 * allows all. The content is anybody's JSON: what has a wrong type counts as absent.
 * @see https://spec.matrix.org/v1.19/client-server-api/#mroomserver_acl
 */
export class ServerAcl {
  readonly #allowIpLiterals: boolean;
  readonly #allow: HostPatterns;
  readonly #deny: HostPatterns;

  constructor(content: JsonObject) {
    this.#allowIpLiterals = content['allow_ip_literals'] !== false;
    this.#allow = new HostPatterns(content['allow']);
    this.#deny = new HostPatterns(content['deny']);
  }

  /** Whether `server` may take part. Ports do not count, nor does case. */
  allows(server: ServerName): boolean {
    const { host, kind } = serverAddress(server);
    if (kind !== 'dns' && !this.#allowIpLiterals) return false;
    const name = (kind === 'ipv6' ? `[${host}]` : host).toLowerCase();
    return !this.#deny.match(name) && this.#allow.match(name);
  }
}

/** Whether the room's ACL lets `server` take part; `undefined` content means that the room has none. */
export function serverAclAllows(content: JsonObject | undefined, server: ServerName): boolean {
  return content === undefined || new ServerAcl(content).allows(server);
}

/** A list of glob patterns; those without wildcards, which are most of a long list, are looked up at once. */
class HostPatterns {
  readonly #names = new Set<string>();
  readonly #patterns: TextTest[] = [];

  constructor(list: unknown) {
    for (const entry of Array.isArray(list) ? (list as unknown[]) : []) {
      if (typeof entry !== 'string') continue;
      const pattern = entry.toLowerCase();
      if (/[*?]/.test(pattern)) this.#patterns.push(wholeGlob(pattern));
      else this.#names.add(pattern);
    }
  }

  match(name: string): boolean {
    return this.#names.has(name) || this.#patterns.some((matches) => matches(name));
  }
}
