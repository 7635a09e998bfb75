import { createHash, timingSafeEqual } from 'node:crypto';
import { missingToken, unknownToken } from '../../protocol/errors.ts';
import { endpoint } from '../http/endpoint.ts';
import { reply } from '../http/reply.ts';
import type { Endpoint } from '../http/types.ts';

export interface MetricsService {
  text(): string;
  /** What has to be sent as bearer token; everybody on the listener may read without. */
  readonly token: string | undefined;
}

/**
 * `GET /metrics`
 * The server's figures in the text format of Prometheus. 401 M_MISSING_TOKEN, M_UNKNOWN_TOKEN
 */
export function metricsEndpoint(metrics: MetricsService): Endpoint {
  return endpoint({
    method: 'GET',
    path: '/metrics',
    serves: 'metrics',
    auth: 'none',
    body: 'none',
    handler({ headers }) {
      requireToken(headers.authorization, metrics.token);
      return reply({
        status: 200,
        headers: { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' },
        body: metrics.text(),
      });
    },
  });
}

function requireToken(header: string | undefined, token: string | undefined): void {
  if (token === undefined) return;
  const sent = /^bearer +(\S+) *$/i.exec(header ?? '')?.[1];
  if (sent === undefined) throw missingToken();
  const digest = (text: string) => createHash('sha256').update(text).digest();
  if (!timingSafeEqual(digest(sent), digest(token))) throw unknownToken();
}
