import type { Database } from '../../store/db.ts';
import type { Destination, DestinationStore } from '../../store/federation/destinations.ts';
import type { OutgoingStore } from '../../store/federation/outgoing.ts';
import type { ServerRooms } from '../../store/federation/server-rooms.ts';
import type { EventNid, RoomNid, ServerNid, StreamPos } from '../../store/nids.ts';
import type { Streams } from '../../streams/streams.ts';
import type { Millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import { diskRest, isDiskFull } from '../../util/disk-full.ts';
import type { Log } from '../../util/log.ts';
import type { Courier } from './courier.ts';
import type { EduSources } from './edu-sources.ts';
import type { Lanes } from './lanes.ts';
import {
  maxPduBytes,
  maxPdus,
  noEdus,
  type Transaction,
  type Transactions,
  type WireEdus,
  type WireEvent,
} from './transaction.ts';

export interface LaggardsUses {
  readonly db: Database;
  readonly streams: Streams;
  readonly clock: Clock;
  readonly log: Log;
  readonly destinations: DestinationStore;
  readonly outgoing: OutgoingStore;
  readonly serverRooms: ServerRooms;
  readonly edus: EduSources;
  readonly transactions: Transactions;
  readonly courier: Courier;
  readonly lanes: Lanes;
  readonly own: () => ServerNid | undefined;
  /** There is room for more to do. */
  readonly wake: () => void;
  /** A server has nothing more to hear. */
  readonly becameIdle: () => void;
}

/** Outgoing events and rooms looked at in one go: a few milliseconds. */
const lookedAt = 200;
/** Such pages looked at to find out whether a server has missed much. */
const pagesCounted = 5;

/** What a server is told next, and where it stands once it has it. */
interface Step {
  readonly transaction: Transaction | undefined;
  readonly edus: WireEdus;
  readonly told: StreamPos;
  /** Events addressed to it that it then has. */
  readonly addressedTo: StreamPos | undefined;
  /** While it catches up: how far that goes, and which rooms are done. */
  readonly catching?: { readonly to: StreamPos | null; readonly room: RoomNid | 0 };
}

interface Pending {
  readonly pos: StreamPos;
  readonly event: EventNid;
}

/**
 * Tells servers that do not keep up: each by its own cursor, one transaction at a time, in turns. One that has missed
 * more than fits into a transaction while it was away is told only what still matters: of each room the newest events,
 * from which it can find the others, whatever concerns it alone, and the EDUs that its sources still have.
 */
export class Laggards {
  readonly #uses: LaggardsUses;
  #stopped = false;
  #resting = false;

  constructor(uses: LaggardsUses) {
    this.#uses = uses;
  }

  /** Starts what can be started. */
  step(): void {
    const { lanes, destinations, clock } = this.#uses;
    const free = lanes.free('own');
    if (this.#stopped || this.#resting || free <= 0) return;
    for (const server of destinations.ready(clock.now(), free + lanes.size)) {
      if (lanes.free('own') <= 0) return;
      if (lanes.has(server)) continue;
      lanes.fly(
        'own',
        server,
        (signal) => this.#serve(server, signal),
        () => this.#uses.wake(),
      );
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  /** On a full disk nothing can be noted, so everything would be told again at once. */
  #rest(): void {
    if (this.#resting) return;
    this.#resting = true;
    this.#uses.clock.after(diskRest, () => {
      this.#resting = false;
      if (!this.#stopped) this.#uses.wake();
    });
  }

  async #serve(server: ServerNid, signal: AbortSignal): Promise<void> {
    const { courier, log, wake } = this.#uses;
    try {
      // Each takes some milliseconds of looking up: others come between.
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#stopped) return;
      const step = this.#next(server);
      if (step === undefined) return;
      const { transaction } = step;
      const result = transaction === undefined ? undefined : await courier.send(server, transaction, signal);
      if (result === undefined || result.ok) this.#settle(server, step);
      else if (!this.#stopped) this.#failed(server, result.detail, result.retryAfter);
    } catch (cause) {
      if (isDiskFull(cause)) return this.#rest();
      log.error('outbox.failed', { server: courier.name(server), cause });
      if (!this.#stopped) this.#failed(server, 'the transaction could not be written');
    } finally {
      wake();
    }
  }

  /** `undefined`: there is nothing to be done for the server now. */
  #next(server: ServerNid): Step | undefined {
    const { db, destinations, courier, streams, clock, becameIdle } = this.#uses;
    const row = destinations.get(server);
    if (row === undefined || row.due === null) return undefined;
    const now = streams.now();
    if (!courier.mayTalkTo(server)) {
      db.write<void>(() => this.#giveUp(row, now));
      becameIdle();
      return undefined;
    }
    if (courier.isDown(server)) {
      db.write<void>(() =>
        destinations.failed(
          server,
          row.failures,
          Math.max(clock.now() + 1, courier.retryAt(server, 1)),
          row.error ?? '',
        ),
      );
      return undefined;
    }
    const catchTo = row.catchTo ?? (this.#hasMissedTooMuch(row, now) ? now : null);
    if (catchTo !== null) {
      if (row.catchTo === null) db.write<void>(() => destinations.catchUp(server, catchTo));
      return this.#matters({ ...row, catchTo, catchRoom: row.catchTo === null ? 0 : row.catchRoom });
    }
    // Of what a begun transaction held nothing may be left: receipts that others have taken the place of.
    const step = this.#following(row, row.upTo ?? now) ?? this.#following(row, now);
    if (step !== undefined) return step;
    db.write<void>(() => destinations.idle(server, now));
    becameIdle();
    return undefined;
  }

  /** Whether what a server has missed is no longer all there, or after a failure is more than one transaction. */
  #hasMissedTooMuch(row: Destination, now: StreamPos): boolean {
    if (row.told < this.#uses.destinations.progress().kept) return true;
    let [missed, at] = [0, row.told];
    for (let page = 0; row.failures > 0 && page < pagesCounted && at < now && missed <= maxPdus; page++) {
      const { events, upTo } = this.#pending(row.server, at, now);
      missed += events.length;
      at = upTo;
    }
    return missed > maxPdus;
  }

  /** Outgoing events after `from` that the server must have, in order. Looked at up to `upTo`, and one too many to send. */
  #pending(server: ServerNid, from: StreamPos, to: StreamPos): { events: Pending[]; upTo: StreamPos } {
    const { outgoing, serverRooms } = this.#uses;
    const addressed = new Set(outgoing.addressedTo(server, to, maxPdus + 1).map(({ pos }) => pos));
    const events: Pending[] = [];
    const rows = outgoing.span(from, to, lookedAt);
    for (const row of rows) {
      const isFor = row.origin !== server && serverRooms.isIn(row.room, server, row.pos);
      if (isFor || addressed.has(row.pos)) events.push(row);
      if (events.length > maxPdus) return { events, upTo: row.pos };
    }
    return { events, upTo: rows.length < lookedAt ? to : (rows.at(-1)?.pos ?? to) };
  }

  /** What comes next in order, up to `to`. `undefined`: there is nothing. */
  #following({ server, told, edus: edusFrom }: Destination, to: StreamPos): Step | undefined {
    const { db, destinations, transactions } = this.#uses;
    if (told >= to && edusFrom >= to) return undefined;
    const { events: pending, upTo } = this.#pending(server, told, to);
    const { events, cutAfter } = transactions.wire(pending);
    const edus = edusFrom < to ? transactions.edus(server, edusFrom, to) : noEdus(edusFrom);
    const step = { edus, told: cutAfter ?? upTo, addressedTo: this.#lastAddressed(server, cutAfter ?? upTo) };
    if (events.length === 0 && edus.texts.length === 0) {
      // Nothing in what was looked at, and no more to look at.
      if (step.told >= to && edus.upTo >= to && step.addressedTo === undefined) return undefined;
      return { transaction: undefined, ...step };
    }
    db.write<void>(() => destinations.aim(server, to));
    return { transaction: transactions.write(to, events, edus.texts), ...step };
  }

  #lastAddressed(server: ServerNid, to: StreamPos): StreamPos | undefined {
    return this.#uses.outgoing.addressedTo(server, to, 1).length === 0 ? undefined : to;
  }

  /** The next of what still matters to a server that has missed much. */
  #matters(row: Destination & { catchTo: StreamPos }): Step {
    const { transactions, outgoing, serverRooms, own } = this.#uses;
    const { server, catchTo } = row;
    const addressed = transactions.wire(outgoing.addressedTo(server, catchTo, maxPdus)).events;
    const wire: WireEvent[] = [...addressed];
    let room = row.catchRoom;
    // What concerns it alone goes first; rooms follow when that is through.
    const rooms = addressed.length > 0 ? [] : serverRooms.rooms(server, row.told, room, lookedAt);
    let isAll = addressed.length === 0 && rooms.length < lookedAt;
    for (const next of rooms) {
      const newest = outgoing.newestFor(server, own() ?? server, next, row.told, catchTo);
      const { events } = transactions.wire(newest);
      if (wire.length > 0 && (wire.length + events.length > maxPdus || sizeOf(wire) + sizeOf(events) > maxPduBytes)) {
        isAll = false;
        break;
      }
      wire.push(...events);
      room = next;
    }
    const edus = row.edus < catchTo ? transactions.edus(server, row.edus, catchTo) : noEdus(row.edus);
    return {
      transaction:
        wire.length === 0 && edus.texts.length === 0 ? undefined : transactions.write(catchTo, wire, edus.texts),
      edus,
      told: isAll ? catchTo : row.told,
      addressedTo: addressed.at(-1)?.pos,
      catching: isAll ? { to: null, room: 0 } : { to: catchTo, room },
    };
  }

  #settle(server: ServerNid, { edus, told, addressedTo, catching }: Step): void {
    const { db, destinations, outgoing, clock } = this.#uses;
    const due = clock.now();
    db.write<void>(() => {
      for (const source of edus.from) source.delivered?.(server, edus.upTo);
      if (addressedTo !== undefined) outgoing.unaddress(server, addressedTo);
      if (catching === undefined) destinations.told(server, told, edus.upTo, due);
      else {
        destinations.caught({ server, told, edus: edus.upTo, catchTo: catching.to, catchRoom: catching.room }, due);
      }
    });
  }

  #failed(server: ServerNid, detail: string, retryAfter?: Millis): void {
    const { db, destinations, courier, log } = this.#uses;
    const row = destinations.get(server);
    if (row === undefined) return;
    const failures = row.failures + 1;
    const due = courier.retryAt(server, failures, retryAfter);
    log.info('outbox.waits', { server: courier.name(server), failures, until: due, detail });
    db.write<void>(() => destinations.failed(server, failures, due, detail));
  }

  /** The configuration forbids it by now. */
  #giveUp({ server, edus: from }: Destination, now: StreamPos): void {
    const { destinations, outgoing, edus } = this.#uses;
    edus.giveUp(server, from, now);
    outgoing.unaddress(server, now);
    destinations.idle(server, now);
  }
}

function sizeOf(events: readonly WireEvent[]): number {
  return events.reduce((sum, { text }) => sum + text.length, 0);
}
