import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Gates } from '../../governor/gates.ts';
import { badJson, invalidParam, limitExceeded } from '../../protocol/errors.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import type { ReceivedTransactionStore } from '../../store/federation/received-transactions.ts';
import type { Interning } from '../../store/interning/interning.ts';
import { millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import { isDiskFull } from '../../util/disk-full.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../util/json.ts';
import { KeyedQueue } from '../../util/keyed-queue.ts';
import type { Log } from '../../util/log.ts';
import type { Receiver } from './receiver.ts';

/** Takes one EDU of a kind. Whatever it throws concerns that EDU only, but for a full disk. */
export type EduHandler = (origin: ServerName, content: JsonObject) => void | Promise<void>;

export interface TransactionsUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly receivedTransactions: ReceivedTransactionStore;
  readonly receiver: Receiver;
  /** By `edu_type`; kinds that are not here are ignored. */
  readonly eduHandlers: ReadonlyMap<string, EduHandler>;
  readonly clock: Clock;
  readonly gates?: Pick<Gates, 'requireInbound'>;
  readonly log: Log;
}

/** As the specification says. */
const mostPdus = 50;
const mostEdus = 100;
const longestTxnId = 512;
/** A server sends the next transaction after the answer to the last. One that was cut off may try again meanwhile. */
const perServer = 3;
/** In progress at once, in number and in bytes of their bodies: parsed they take a few times as much. */
const inProgress = 64;
const bytesInProgress = 24 * 1024 * 1024;
const comeBack = millis(5000);

/**
 * Transactions of other servers. One that is sent again gets the answer that it had, also after a restart. Each answer
 * comes when what it is about survives a power cut.
 * @see https://spec.matrix.org/v1.19/server-server-api/#transactions
 */
export class Transactions {
  readonly #uses: TransactionsUses;
  readonly #queue = new KeyedQueue<ServerName>(perServer);
  #bytes = 0;
  /** Those under way, by origin and ID. */
  readonly #running = new Map<string, Promise<string>>();

  constructor(uses: TransactionsUses) {
    this.#uses = uses;
  }

  /**
   * `size`: of the request's body in bytes. Answers the JSON of `{ pdus: { [event ID]: {} | { error } } }`.
   * 400 M_BAD_JSON too many PDUs or EDUs, or none of these · 429 M_LIMIT_EXCEEDED too much is in progress, or there is next to no memory or disk left
   */
  receive(origin: ServerName, txnId: string, body: JsonObject, size: number): Promise<string> {
    const { pdus = [], edus = [] } = body;
    if (!Array.isArray(pdus) || !Array.isArray(edus)) throw badJson('pdus and edus must be arrays');
    if (pdus.length > mostPdus) throw badJson(`A transaction has at most ${mostPdus} PDUs`);
    if (edus.length > mostEdus) throw badJson(`A transaction has at most ${mostEdus} EDUs`);
    if (txnId.length > longestTxnId) throw invalidParam('The transaction ID is too long');
    const key = `${origin} ${txnId}`;
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    this.#uses.gates?.requireInbound();
    const isTooMuch = this.#running.size >= inProgress || this.#bytes + size > bytesInProgress;
    if (this.#running.size > 0 && isTooMuch) throw limitExceeded(comeBack);
    const answer = this.#queue.run(origin, () => this.#process(origin, txnId, pdus, edus).catch(toldToComeBack));
    if (answer === undefined) throw limitExceeded(comeBack);
    this.#bytes += size;
    const ended = answer.finally(() => {
      this.#running.delete(key);
      this.#bytes -= size;
    });
    this.#running.set(key, ended);
    return ended;
  }

  async #process(
    origin: ServerName,
    txnId: string,
    pdus: readonly JsonValue[],
    edus: readonly JsonValue[],
  ): Promise<string> {
    const { db, interning, receivedTransactions, receiver, clock } = this.#uses;
    const known = interning.findServer(origin);
    const answered = known === undefined ? undefined : receivedTransactions.find(known, txnId);
    if (answered !== undefined) return answered;
    const results = pdus.length === 0 ? new Map<string, object>() : await receiver.receive(origin, pdus);
    for (const [index, edu] of edus.entries()) {
      // One is done with soon; a hundred of the largest would keep the process to themselves.
      if (index > 0) await nextTurn();
      await this.#edu(origin, edu);
    }
    const answer = JSON.stringify({ pdus: Object.fromEntries(results) });
    await db.durable<void>(() => receivedTransactions.put(interning.server(origin), txnId, answer, clock.now()));
    return answer;
  }

  async #edu(origin: ServerName, edu: JsonValue): Promise<void> {
    const type = isJsonObject(edu) ? edu['edu_type'] : undefined;
    const content = isJsonObject(edu) ? edu['content'] : undefined;
    const handler = typeof type === 'string' ? this.#uses.eduHandlers.get(type) : undefined;
    if (handler === undefined || !isJsonObject(content)) return;
    try {
      await handler(origin, content);
    } catch (error) {
      if (isDiskFull(error)) throw error;
      this.#uses.log.warn('receive.edu_failed', { origin, type, error });
    }
  }
}

/** A transaction that the disk had no room for: its sender keeps it. */
function toldToComeBack(error: unknown): never {
  throw isDiskFull(error) ? limitExceeded(comeBack, 'The disk of this server is full: try again later') : error;
}
