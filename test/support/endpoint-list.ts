import { readFileSync } from 'node:fs';
import { Router } from '../../src/api/http/router.ts';
import type { Endpoint } from '../../src/api/http/types.ts';

/** One row of the specification's inventory. */
export interface SpecRow {
  readonly method: string;
  readonly path: string;
  readonly module: string;
  readonly deprecated: boolean;
  readonly released: boolean;
  /** Whether the specification says that it is limited. */
  readonly limited: boolean;
}

export interface JudgedRow extends SpecRow {
  readonly served: boolean;
  /** Sorted; empty where nothing was seen. */
  readonly outcomes: readonly string[];
}

const vector = new URL('../vectors/endpoints.tsv', import.meta.url);

/** The rows of the Client-Server API, and the push gateway call. */
export function specRows(): SpecRow[] {
  const [header = '', ...lines] = readFileSync(vector, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const names = header.split('\t');
  return lines
    .map((line) => new Map(line.split('\t').map((cell, i) => [names[i] ?? '', cell] as const)))
    .filter((row) => row.get('api') === 'cs' || row.get('api') === 'pg')
    .map((row) => ({
      method: row.get('method') ?? '',
      path: row.get('path') ?? '',
      module: row.get('module') ?? '',
      deprecated: row.get('deprecated') === 'y',
      released: row.get('status') === 'released',
      limited: row.get('rate_limited') === 'y',
    }));
}

/** `GET /rooms/{}`: what a row, an endpoint and a request to it have in common. */
export const shapeOf = (method: string, path: string): string => `${method} ${path.replaceAll(/\{[^}]*\}/g, '{}')}`;

/**
 * What the router does with each row. A request counts for the endpoint that answered it, under each spelling of its
 * path. `requests`: lines of method, URL, status and errcode, separated by tabs.
 */
export function judge(
  rows: readonly SpecRow[],
  endpoints: readonly Endpoint[],
  requests: readonly string[],
): JudgedRow[] {
  const served = new Map(
    endpoints.flatMap((each) => each.paths.map((path) => [shapeOf(each.method, path), each] as const)),
  );
  const seen = outcomesOf(endpoints, requests);
  const delays = served.has('GET /_matrix/client/unstable/org.matrix.msc4140/delayed_events');
  return rows.map((row) => {
    const [path = '', query] = row.path.replace(/ \(.*\)$/, '').split('?');
    const endpoint = served.get(shapeOf(row.method, path));
    if (row.method === 'OPTIONS')
      return { ...row, served: true, outcomes: [...(seen.get('OPTIONS') ?? [])].toSorted() };
    // A row with a query is a feature of its own on the path of another row.
    const isServed = query === undefined || query === 'room_id' || (query.includes('msc4140') && delays);
    if (endpoint === undefined || !isServed) return { ...row, served: false, outcomes: [] };
    const outcomes =
      query === 'room_id' ? outcomesOf(endpoints, requests.filter(names(query))).get(endpoint) : seen.get(endpoint);
    return { ...row, served: true, outcomes: [...(outcomes ?? [])].toSorted() };
  });
}

/** Whether a request has a query parameter. */
const names = (parameter: string) => (line: string) =>
  line.includes(`?${parameter}=`) || line.includes(`&${parameter}=`);

function outcomesOf(
  endpoints: readonly Endpoint[],
  requests: readonly string[],
): Map<Endpoint | 'OPTIONS', Set<string>> {
  const router = new Router(endpoints);
  const seen = new Map<Endpoint | 'OPTIONS', Set<string>>();
  for (const line of new Set(requests)) {
    const [method = '', url = '', status = '', errcode = ''] = line.split('\t');
    const endpoint = method === 'OPTIONS' ? 'OPTIONS' : endpointOf(router, method, url.split('?', 1)[0] ?? '');
    if (endpoint === undefined) continue;
    const outcomes = seen.get(endpoint) ?? new Set();
    outcomes.add(errcode === '' ? status : `${status} ${errcode}`);
    seen.set(endpoint, outcomes);
  }
  return seen;
}

function endpointOf(router: Router, method: string, url: string): Endpoint | undefined {
  try {
    const route = router.route(method, url);
    return route.kind === 'found' ? route.endpoint : undefined;
  } catch {
    // A path that is not percent-encoded UTF-8 belongs to nobody.
    return undefined;
  }
}
