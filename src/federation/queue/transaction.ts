import { canonicalJson } from '../../protocol/canonical-json.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { EventNid, ServerNid, StreamPos } from '../../store/nids.ts';
import type { Clock } from '../../util/clock.ts';
import { sha256 } from '../../util/hash.ts';
import type { Log } from '../../util/log.ts';
import type { Edu, EduSource } from './edu-source.ts';
import type { EduSources } from './edu-sources.ts';

/** @see https://spec.matrix.org/v1.19/server-server-api/#transactions */
export const maxPdus = 50;
const maxEdus = 100;

/**
 * Bytes of events in one transaction, if it has more than one: four of the largest, hundreds of usual ones. Times the
 * transactions in flight this is what the queue may hold in memory.
 */
export const maxPduBytes = 256 * 1024;
const maxEduBytes = 256 * 1024;

/** An event with its canonical JSON, which is its wire form. */
export interface WireEvent {
  readonly pos: StreamPos;
  readonly event: EventNid;
  readonly text: string;
}

export interface Wire<E> {
  readonly events: readonly (E & WireEvent)[];
  /** The position of the last one that fits, if not all do. */
  readonly cutAfter: StreamPos | undefined;
}

/** EDUs of a transaction as they are sent. */
export interface WireEdus {
  readonly texts: readonly string[];
  /** They are all there are up to here. */
  readonly upTo: StreamPos;
  /** Whose rows may go once they are delivered. */
  readonly from: readonly EduSource[];
}

export interface Transaction {
  readonly txnId: string;
  /** Canonical JSON. */
  readonly body: string;
}

export interface TransactionsUses {
  readonly serverName: ServerName;
  readonly epoch: number;
  readonly events: EventStore;
  readonly edus: EduSources;
  readonly clock: Clock;
  readonly log: Log;
}

/** Distinct bodies kept: most servers of a room get the same one. */
const maxKept = 4;

/** Writes the bodies of transactions, each once for all servers that get the same. */
export class Transactions {
  readonly #uses: TransactionsUses;
  readonly #kept = new Map<string, Transaction>();

  constructor(uses: TransactionsUses) {
    this.#uses = uses;
  }

  /** The first events with their wire forms, as many as fit into one transaction. */
  wire<E extends { readonly pos: StreamPos; readonly event: EventNid }>(events: readonly E[]): Wire<E> {
    const wire: (E & WireEvent)[] = [];
    let size = 0;
    for (const [index, event] of events.entries()) {
      const text = this.#canonical(event.event);
      size += text?.length ?? 0;
      const isFull = wire.length >= maxPdus || (wire.length > 0 && size > maxPduBytes);
      if (isFull) return { events: wire, cutAfter: events[index - 1]?.pos };
      if (text !== undefined) wire.push({ ...event, text });
    }
    return { events: wire, cutAfter: undefined };
  }

  /** What a server must hear of besides events in (from, to], or the beginning of it. */
  edus(server: ServerNid, from: StreamPos, to: StreamPos): WireEdus {
    for (let limit = maxEdus; ; limit >>= 2) {
      const { edus, upTo, from: sources } = this.#uses.edus.read(server, from, to, limit);
      const texts = edus.flatMap((edu) => this.#text(edu));
      if (limit < 4 || texts.reduce((sum, text) => sum + text.length, 0) <= maxEduBytes) {
        return { texts, upTo, from: sources };
      }
    }
  }

  /**
   * The transaction of these events and EDUs that brings a server up to `to`. Its ID is the same for the same content,
   * also after a restart, so that whoever has had it recognises it.
   */
  write(to: StreamPos, events: readonly WireEvent[], edus: readonly string[]): Transaction {
    const { serverName, epoch, clock } = this.#uses;
    const key = `${to} ${events.map(({ event }) => event).join(' ')} ${edus.join(',')}`;
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    const pdus = events.map(({ text }) => text).join(',');
    const written = edus.length === 0 ? '' : `"edus":[${edus.join(',')}],`;
    const digest = sha256(`${written}${pdus}`).toString('base64url').slice(0, 12);
    const head = `"origin":${JSON.stringify(serverName)},"origin_server_ts":${clock.now()}`;
    const transaction = { txnId: `${epoch}-${to}-${digest}`, body: `{${written}${head},"pdus":[${pdus}]}` };
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size < maxKept) break;
      this.#kept.delete(oldest);
    }
    this.#kept.set(key, transaction);
    return transaction;
  }

  /** Lets go of the bodies. */
  forget(): void {
    this.#kept.clear();
    this.#uses.edus.forget();
  }

  #canonical(event: EventNid): string | undefined {
    const { events, log } = this.#uses;
    if (events.row(event) !== undefined) return events.canonical(event);
    log.info('outbox.event_gone', { event });
    return undefined;
  }

  #text(edu: Edu): string[] {
    try {
      return [canonicalJson(edu)];
    } catch (cause) {
      // Nobody could verify a request with it.
      this.#uses.log.error('outbox.unwritable_edu', { type: edu.edu_type, cause });
      return [];
    }
  }
}

/** Nothing, of all there is up to `upTo`. */
export function noEdus(upTo: StreamPos): WireEdus {
  return { texts: [], upTo, from: [] };
}
