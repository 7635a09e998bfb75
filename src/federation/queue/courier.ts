import type { ServerName } from '../../protocol/ids/types.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { ServerNid } from '../../store/nids.ts';
import type { Millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import { isJsonObject } from '../../util/json.ts';
import type { Log } from '../../util/log.ts';
import type { Reach, Sender, SendResult } from './sender.ts';
import type { Transaction } from './transaction.ts';

export interface CourierUses {
  readonly interning: Interning;
  readonly sender: Sender;
  readonly reach: Reach;
  readonly clock: Clock;
  readonly log: Log;
  /** How long a server that refuses transactions is left alone, milliseconds. */
  readonly retryMin: number;
  readonly retryMax: number;
}

/**
 * The longest wait for a server that answers, but with errors: it may have been mended, and nothing else would tell,
 * as it was never out of reach.
 */
const longestRefusal = 60 * 60 * 1000;
/** Refused events named in the log, of one transaction. */
const maxNamed = 5;

/** Hands over one transaction, and knows when a server that did not take it may be tried again. */
export class Courier {
  readonly #uses: CourierUses;

  constructor(uses: CourierUses) {
    this.#uses = uses;
  }

  name(server: ServerNid): ServerName {
    return this.#uses.interning.serverName(server);
  }

  mayTalkTo(server: ServerNid): boolean {
    return this.#uses.reach.mayTalkTo(this.name(server));
  }

  isDown(server: ServerNid): boolean {
    return this.#uses.reach.isDown(this.name(server));
  }

  /** Events that the other server would not have are logged and done with: saying them again would change nothing. */
  async send(server: ServerNid, transaction: Transaction, signal: AbortSignal): Promise<SendResult> {
    const name = this.name(server);
    const result = await this.#uses.sender.send(name, transaction, signal);
    if (result.ok) this.#logRefused(name, transaction.txnId, result.value['pdus']);
    return result;
  }

  /**
   * When to try again after so many failures in a row: when the server has asked for it or is thought to be back, or
   * ever more rarely.
   */
  retryAt(server: ServerNid, failures: number, asked?: Millis): number {
    const { reach, clock, retryMin, retryMax } = this.#uses;
    const name = this.name(server);
    const known = reach.isDown(name) ? reach.retryAt(name) : undefined;
    if (known === undefined && asked !== undefined) return clock.now() + Math.min(retryMax, asked);
    return known ?? clock.now() + Math.min(retryMax, longestRefusal, retryMin * 2 ** Math.min(failures - 1, 30));
  }

  #logRefused(server: ServerName, txnId: string, pdus: unknown): void {
    if (!isJsonObject(pdus)) return;
    let named = 0;
    for (const [eventId, result] of Object.entries(pdus)) {
      const error = isJsonObject(result) ? result['error'] : undefined;
      if (typeof error !== 'string' || named++ >= maxNamed) continue;
      this.#uses.log.info('outbox.event_refused', { server, txnId, eventId, error: error.slice(0, 200) });
    }
  }
}
