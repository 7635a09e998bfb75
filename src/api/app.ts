import { MatrixError, unrecognized } from '../protocol/errors.ts';
import type { Clock } from '../util/clock.ts';
import { isDiskFull } from '../util/disk-full.ts';
import type { Log } from '../util/log.ts';
import { type Random, randomToken } from '../util/random.ts';
import { Query } from './http/query.ts';
import { bugReply, errorReply, json, reply } from './http/reply.ts';
import { Router } from './http/router.ts';
import type { Endpoint, Gate, HttpCall, Interface, Reply, Target } from './http/types.ts';

/** The HTTP API without a port: a call goes in, a reply comes out. Never throws. */
export interface App {
  /** All that is served. */
  readonly endpoints: readonly Endpoint[];
  /** `serves`: what may be answered here; everything without it. */
  handle(call: HttpCall, serves?: ReadonlySet<Interface>): Promise<Reply>;
}

export interface AppTools {
  readonly gate: Gate;
  readonly log: Log;
  readonly random: Random;
  /** Is told of each request that an endpoint has answered. */
  readonly meter?: RequestMeter | undefined;
}

export interface RequestMeter {
  readonly clock: Clock;
  /** `path` is the endpoint's template. */
  requestDone(method: string, path: string, outcome: { readonly status: number; readonly seconds: number }): void;
}

/** Puts endpoints behind a router; authentication, errors, CORS and old paths are the same for all of them. */
export function createApp(endpoints: readonly Endpoint[], tools: AppTools): App {
  const router = new Router(endpoints);
  return {
    endpoints,
    async handle(call, serves) {
      try {
        return await dispatch(router, tools, call, serves);
      } catch (error) {
        return failed(error, call, tools);
      }
    },
  };
}

/** The answer to every pre-flight request: what is allowed does not depend on the path. */
const preflight = reply({ status: 204 });

/** For those who watch over the server: it is up, and its event loop turns. On every listener, without a database. */
const healthy = json({ status: 'ok' });

function dispatch(
  router: Router,
  tools: AppTools,
  call: HttpCall,
  serves: ReadonlySet<Interface> | undefined,
): Promise<Reply> | Reply {
  if (call.method === 'OPTIONS') return preflight;
  const { path, query } = splitUrl(call.url);
  if (path === '/health' && (call.method === 'GET' || call.method === 'HEAD')) return healthy;
  const route = router.route(call.method, path, serves);
  switch (route.kind) {
    case 'found':
      return metered(tools, route.endpoint, call, { path, params: route.params, query: new Query(query) });
    case 'wrong-method': {
      const answer = errorReply(unrecognized(405));
      return { ...answer, headers: { ...answer.headers, Allow: route.allowed.join(', ') } };
    }
    case 'unknown':
      return errorReply(unrecognized());
  }
}

async function metered(tools: AppTools, endpoint: Endpoint, call: HttpCall, target: Target): Promise<Reply> {
  const { meter, gate } = tools;
  if (meter === undefined) return endpoint.run(call, target, gate);
  const began = meter.clock.monotonic();
  let status = 500;
  try {
    const answer = await endpoint.run(call, target, gate);
    status = answer.status;
    return answer;
  } catch (error) {
    if (error instanceof MatrixError) status = error.status;
    throw error;
  } finally {
    const seconds = (meter.clock.monotonic() - began) / 1000;
    meter.requestDone(endpoint.method, endpoint.paths[0] ?? '', { status, seconds });
  }
}

function splitUrl(url: string): { path: string; query: string } {
  // A proxy may send the absolute form.
  const start = url.startsWith('/') ? 0 : Math.max(0, url.indexOf('/', url.indexOf('://') + 3));
  const mark = url.indexOf('?', start);
  return mark < 0
    ? { path: url.slice(start), query: '' }
    : { path: url.slice(start, mark), query: url.slice(mark + 1) };
}

function failed(problem: unknown, call: HttpCall, tools: AppTools): Reply {
  const error = isDiskFull(problem) ? (tools.gate.diskIsFull?.() ?? problem) : problem;
  if (error instanceof MatrixError) {
    if (error.status >= 500) tools.log.warn('http.failed', { ...placeOf(call), status: error.status, cause: error });
    else if (error.cause !== undefined) tools.log.debug('http.refused', { ...placeOf(call), cause: error.cause });
    return errorReply(error);
  }
  const requestId = randomToken(tools.random, 9);
  if (error === call.stream.errored) {
    // Whoever sent this has gone in the middle of the body: nobody's mistake, and nobody reads the answer.
    tools.log.debug('http.broken_off', { ...placeOf(call), cause: error });
    return bugReply(requestId);
  }
  tools.log.error('http.bug', { requestId, ...placeOf(call), cause: error });
  return bugReply(requestId);
}

/** For the log: without the query, which may hold a token. */
function placeOf(call: HttpCall): { method: string; path: string } {
  return { method: call.method, path: splitUrl(call.url).path };
}
