import type { OutboundHttp } from '../outbound/outbound-http.ts';
import { usualTimeout } from '../outbound/outbound-http.ts';
import { isJsonObject, type JsonObject } from '../util/json.ts';

/** What became of a notification. */
export type PushOutcome =
  | { readonly kind: 'delivered'; readonly rejected: readonly string[] }
  /** The gateway will never take this notification. */
  | { readonly kind: 'refused'; readonly detail: string }
  /** `isSilent`: nothing came within the time that is allowed. */
  | { readonly kind: 'failed'; readonly detail: string; readonly isSilent: boolean };

/** Rejected keys are at most the one that was sent, 512 bytes of it. */
const maxAnswer = 64 * 1024;
/** Answers to a request that is wrong in itself; everything else may be mended on the gateway's side. */
const refusals = new Set([400, 413, 422]);

/** Calls push gateways. */
export class PushGateway {
  readonly #http: OutboundHttp;

  constructor(http: OutboundHttp) {
    this.#http = http;
  }

  /**
   * `POST /_matrix/push/v1/notify`; never rejects.
   * @see https://spec.matrix.org/v1.19/push-gateway-api/#post_matrixpushv1notify
   */
  async notify(url: string, notification: JsonObject): Promise<PushOutcome> {
    const result = await this.#http.request({
      method: 'POST',
      url,
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ notification }),
      timeout: usualTimeout,
      maxBytes: maxAnswer,
      plainHttp: 'allowed-ranges',
    });
    if (!result.ok) {
      return { kind: 'failed', detail: `${result.reason}: ${result.detail}`, isSilent: result.reason === 'timeout' };
    }
    const detail = `it answered ${result.status}`;
    if (refusals.has(result.status)) return { kind: 'refused', detail };
    if (result.status < 200 || result.status > 299) return { kind: 'failed', detail, isSilent: false };
    const answer = parseAnswer(result.body);
    // A captive portal says 200 to everything.
    if (answer === undefined) return { kind: 'failed', detail: `${detail}, but with no JSON object`, isSilent: false };
    const rejected = Array.isArray(answer['rejected']) ? answer['rejected'] : [];
    return { kind: 'delivered', rejected: rejected.filter((key) => typeof key === 'string') };
  }
}

function parseAnswer(body: Buffer): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
