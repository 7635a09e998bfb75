import { Lanes } from '../../federation/lanes.ts';
import { limitExceeded } from '../../protocol/errors.ts';
import { addressKey } from './rate-limits.ts';
import type { ApiRequest } from './types.ts';

/** Requests at once that ask other servers something: a third of the calls that there can be. */
const atOnce = 16;
/** Of one address: those of a household, and of a server that has us vouch for keys. */
const ofOneAddress = 6;
/** Requests that wait for their turn; each has a connection. */
const longestQueue = 200;
const tryAgainAfter = 5000;

/**
 * What anybody may ask of this server without a token, and what it has to ask other servers for: profiles, aliases,
 * summaries of rooms, keys. Whoever names servers that answer slowly takes the turns of strangers, and not the places
 * that users' calls need.
 */
export class StrangersTurns {
  readonly #lanes = new Lanes<string>(ofOneAddress, atOnce, longestQueue);

  /** Does `work` when it is its turn. 429 M_LIMIT_EXCEEDED if too many wait. */
  async run<T>({ ip, signal }: Pick<ApiRequest, 'ip' | 'signal'>, work: () => Promise<T>): Promise<T> {
    const leave = await this.#lanes.enter(addressKey(ip), signal);
    if (leave === undefined) throw limitExceeded(tryAgainAfter, 'Too many ask for what other servers know');
    try {
      return await work();
    } finally {
      leave();
    }
  }
}
