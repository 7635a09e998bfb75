import { createHash, timingSafeEqual } from 'node:crypto';
import { MatrixError } from '../protocol/errors.ts';
import { endpoint } from './http/endpoint.ts';
import { reply } from './http/reply.ts';
import type { Endpoint } from './http/types.ts';

/**
 * `GET /metrics`
 * Figures of the running server in the text format of Prometheus.
 * 200 text · 401 M_UNAUTHORIZED a token is set, and not sent
 */
export function metricsEndpoint(text: () => string, token: string | undefined): Endpoint {
  return endpoint({
    method: 'GET',
    path: '/metrics',
    auth: 'none',
    body: 'none',
    handler({ headers }) {
      if (token !== undefined && !isSame(headers.authorization ?? '', `Bearer ${token}`)) {
        throw new MatrixError(401, 'M_UNAUTHORIZED', 'The token of [metrics] has to be sent');
      }
      return reply({ headers: { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' }, body: text() });
    },
  });
}

/** Takes as long whatever is sent. */
function isSame(sent: string, wanted: string): boolean {
  const digest = (value: string) => createHash('sha256').update(value).digest();
  return timingSafeEqual(digest(sent), digest(wanted));
}
