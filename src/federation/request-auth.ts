import { forbidden, unauthorized } from '../protocol/errors.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import { parseXMatrix, verifyRequest, type XMatrix } from '../protocol/signing/request.ts';
import type { Clock } from '../util/clock.ts';
import type { KeyRing } from './key-ring.ts';
import type { FederationPolicy } from './policy.ts';
import type { Reachability } from './reachability.ts';

interface RequestAuthUses {
  readonly serverName: ServerName;
  readonly policy: FederationPolicy;
  readonly keyRing: KeyRing;
  readonly reachability: Reachability;
  readonly clock: Clock;
}

/**
 * Tells which other server has sent a request.
 * @see https://spec.matrix.org/v1.19/server-server-api/#request-authentication
 */
export class RequestAuth {
  readonly #uses: RequestAuthUses;

  constructor(uses: RequestAuthUses) {
    this.#uses = uses;
  }

  /**
   * Reads the `Authorization` header and gets the key that it names; `admit` is called before somebody is asked for it.
   * 401 M_UNAUTHORIZED for a header that is missing, broken or meant for another server, 403 M_FORBIDDEN for a server
   * that the configuration shuts out.
   */
  async begin(header: string | undefined, admit: () => void): Promise<XMatrix> {
    const { serverName, policy, keyRing, clock } = this.#uses;
    if (header === undefined) throw unauthorized('The request is not signed');
    const parsed = parseXMatrix(header);
    if (parsed === undefined) throw unauthorized('The Authorization header is no X-Matrix header');
    const { origin, destination, key } = parsed;
    if (destination !== undefined && destination !== serverName) {
      throw unauthorized('The request is meant for another server');
    }
    if (origin === serverName) throw unauthorized('The request claims to come from this server');
    if (!policy.mayTalkTo(origin)) throw forbidden('This server does not talk to yours');
    if (keyRing.key(origin, key, clock.now(), true) === undefined) admit();
    await keyRing.ensureCaller(origin, key);
    return parsed;
  }

  /** Checks the signature; the origin has called us then, so it is up. 401 M_UNAUTHORIZED. */
  verify(
    header: XMatrix,
    request: { readonly method: string; readonly uri: string; readonly content?: unknown },
  ): ServerName {
    const { serverName, keyRing, reachability, clock } = this.#uses;
    const { origin, key: keyId } = header;
    const key = keyRing.key(origin, keyId, clock.now(), true);
    if (key === undefined) throw unauthorized(`The key ${keyId} of ${origin} cannot be had`);
    if (!verifyRequest({ ...request, origin, destination: serverName }, header, key)) {
      throw unauthorized('The signature of the request is wrong');
    }
    reachability.heardFrom(origin);
    return origin;
  }
}
