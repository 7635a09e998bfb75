import { RegExpRouter } from 'hono/router/reg-exp-router';
import { SmartRouter } from 'hono/router/smart-router';
import { TrieRouter } from 'hono/router/trie-router';
import { invalidParam } from '../../protocol/errors.ts';
import type { Endpoint, Interface, Method } from './types.ts';

const methods: readonly Method[] = ['GET', 'POST', 'PUT', 'DELETE'];

export type Route =
  | { readonly kind: 'found'; readonly endpoint: Endpoint; readonly params: Readonly<Record<string, string>> }
  | { readonly kind: 'wrong-method'; readonly allowed: readonly Method[] }
  | { readonly kind: 'unknown' };

const unknown: Route = { kind: 'unknown' };

/**
 * Finds the endpoint for a method and a path. Only hono's router is used, not its request and response objects: those
 * are built on the platform's, which cost megabytes to load. One regular expression per method does the matching.
 */
export class Router {
  readonly #router = new SmartRouter<Endpoint>({ routers: [new RegExpRouter(), new TrieRouter()] });

  constructor(endpoints: readonly Endpoint[]) {
    const taken = new Set<string>();
    for (const endpoint of endpoints) {
      for (const path of endpoint.paths) {
        const shape = `${endpoint.method} ${path.replaceAll(/\{[^}]*\}/g, '{}')}`;
        if (taken.has(shape)) throw new Error(`two endpoints for ${shape}`);
        taken.add(shape);
      }
    }
    // Fixed segments go before parameters in the same place.
    const routes = endpoints.flatMap((endpoint) => endpoint.paths.map((path) => ({ endpoint, path })));
    routes.sort((a, b) => (a.path.replaceAll('{', '\uffff') < b.path.replaceAll('{', '\uffff') ? -1 : 1));
    for (const { endpoint, path } of routes) {
      this.#router.add(endpoint.method, path.replaceAll(/\{([^}]+)\}/g, ':$1'), endpoint);
    }
  }

  /** 400 M_INVALID_PARAM if a parameter is not percent-encoded UTF-8. */
  route(method: string, path: string, serves?: ReadonlySet<Interface>): Route {
    const wanted = method === 'HEAD' ? 'GET' : method;
    const found = this.#match(wanted, path, serves) ?? this.#aliased(wanted, path, serves);
    if (found) return found;
    const allowed = methods.filter(
      (other) => (this.#match(other, path, serves) ?? this.#aliased(other, path, serves)) !== undefined,
    );
    return allowed.length > 0 ? { kind: 'wrong-method', allowed } : unknown;
  }

  #aliased(method: string, path: string, serves: ReadonlySet<Interface> | undefined): Route | undefined {
    const modern = modernPath(path);
    return modern === undefined ? undefined : this.#match(method, modern, serves);
  }

  #match(method: string, path: string, serves: ReadonlySet<Interface> | undefined): Route | undefined {
    const [handlers, stash] = this.#router.match(method, path);
    for (const [endpoint, map] of handlers) {
      if (serves && !serves.has(endpoint.serves)) continue;
      const params: Record<string, string> = {};
      for (const name in map) {
        const at = map[name] as string | number;
        params[name] = decodeSegment(typeof at === 'number' ? (stash?.[at] ?? '') : at);
      }
      return { kind: 'found', endpoint, params };
    }
    return undefined;
  }
}

const oldPrefixes = [
  ['/_matrix/client/r0/', '/_matrix/client/v3/'],
  ['/_matrix/client/api/v1/', '/_matrix/client/v3/'],
  ['/_matrix/media/r0/', '/_matrix/media/v3/'],
  ['/_matrix/media/v1/', '/_matrix/media/v3/'],
] as const;

/** The path of today for the forms that old clients and bots still use. */
function modernPath(path: string): string | undefined {
  for (const [old, modern] of oldPrefixes) {
    if (path.startsWith(old)) return modern + path.slice(old.length);
  }
  return undefined;
}

function decodeSegment(segment: string): string {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch (cause) {
    throw invalidParam('The path is not percent-encoded UTF-8', { cause });
  }
}
