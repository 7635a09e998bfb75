import type { ServerName } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Destination, DestinationStore } from '../../store/federation/destinations.ts';
import type { OutgoingStore } from '../../store/federation/outgoing.ts';
import type { ServerRooms } from '../../store/federation/server-rooms.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { RoomNid, ServerNid } from '../../store/nids.ts';
import type { StateLog } from '../../store/state/state-log.ts';
import type { Notifier, Unsubscribe } from '../../streams/notifier.ts';
import type { Streams } from '../../streams/streams.ts';
import { millis } from '../../util/brand.ts';
import type { Cancel, Clock } from '../../util/clock.ts';
import { diskRest, isDiskFull } from '../../util/disk-full.ts';
import type { Log } from '../../util/log.ts';
import { Courier } from './courier.ts';
import type { Edu, EduSource } from './edu-source.ts';
import { EduSources } from './edu-sources.ts';
import { EphemeralEdus } from './ephemeral-edus.ts';
import { FanOut } from './fan-out.ts';
import { Laggards } from './laggards.ts';
import { Lanes } from './lanes.ts';
import { OutgoingEvents } from './outgoing-events.ts';
import type { Reach, Sender } from './sender.ts';
import { Transactions } from './transaction.ts';

export interface OutboxUses {
  readonly db: Database;
  readonly streams: Streams;
  readonly notifier: Notifier;
  readonly interning: Interning;
  readonly events: EventStore;
  readonly stateLog: StateLog;
  readonly destinations: DestinationStore;
  readonly outgoing: OutgoingStore;
  readonly serverRooms: ServerRooms;
  readonly clock: Clock;
  readonly log: Log;
  readonly serverName: ServerName;
  /** Whether there are other servers at all; if not, nothing is noted and nothing sent. */
  readonly enabled: boolean;
  readonly sender: Sender;
  readonly reach: Reach;
  /** Back-off of a server that takes no transactions, milliseconds. */
  readonly retryMin: number;
  readonly retryMax: number;
}

/** How long a stop waits for answers; what is broken off then is repeated after the start. */
const grace = millis(3000);
/** The longest span of a timer. */
const longestTimer = 60 * 60 * 1000;

/**
 * Tells other servers what happens here: events of rooms they are in, and what sources add besides. Every server's
 * place in the stream is in the database, one place for all that keep up, so nothing is lost by a stop, a crash or a
 * server's absence; at worst it is said twice, under the same transaction ID.
 * @see https://spec.matrix.org/v1.19/server-server-api/#transactions
 */
export class Outbox {
  /** Notes events as they are committed; for `RoomInput`. */
  readonly events: OutgoingEvents;
  readonly #uses: OutboxUses;
  readonly #edus = new EduSources();
  readonly #ephemeral: EphemeralEdus;
  readonly #lanes: Lanes;
  readonly #fanOut: FanOut;
  readonly #laggards: Laggards;
  readonly #log: Log;
  #own: ServerNid | undefined;
  #unsubscribe: Unsubscribe = () => {};
  #cancelTimer: Cancel = () => {};
  #timerAt = Infinity;
  #woken = false;
  #isRunning = false;

  constructor(uses: OutboxUses) {
    this.#uses = uses;
    this.#log = uses.log.child('outbox');
    const { clock } = uses;
    const own = () => (uses.enabled ? (this.#own ??= uses.interning.findServer(uses.serverName)) : undefined);
    this.events = new OutgoingEvents(uses, own);
    this.#ephemeral = new EphemeralEdus(uses);
    const log = this.#log;
    this.#lanes = new Lanes(clock, log);
    const edus = this.#edus;
    const courier = new Courier({ ...uses, log });
    const transactions = new Transactions({ ...uses, log, epoch: uses.streams.epoch, edus });
    const shared = { ...uses, log, edus, courier, transactions, lanes: this.#lanes, own, wake: () => this.#wake() };
    this.#fanOut = new FanOut(shared);
    this.#laggards = new Laggards({ ...shared, becameIdle: () => this.#fanOut.becameIdle() });
    uses.reach.onUp((server) => this.#cameBack(server));
  }

  /** What it has goes out after what earlier sources have. Before `start`. */
  addSource(source: EduSource): void {
    this.#edus.add(source);
  }

  /** Something to be told now or never to all servers in the room; what it replaces is told no more. */
  ephemeral(room: RoomNid, edu: Edu): void {
    if (!this.#isRunning) return;
    this.#ephemeral.add(room, edu);
    this.#wake();
  }

  /** Goes on where the last process stopped. */
  start(): void {
    if (!this.#uses.enabled) return;
    // Last: it may be cut off.
    this.#edus.add(this.#ephemeral);
    this.#isRunning = true;
    this.#unsubscribe = this.#uses.notifier.subscribe(() => this.#wake());
    this.#fanOut.start();
    this.#endWaits();
  }

  /** Begins nothing new; waits a moment for answers, then breaks off. */
  async stop(): Promise<void> {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    this.#unsubscribe();
    this.#cancelTimer();
    this.#fanOut.stop();
    this.#laggards.stop();
    const idle = this.#lanes.idle();
    let cancel: Cancel = () => {};
    await Promise.race([
      idle,
      new Promise<void>((resolve) => {
        cancel = this.#uses.clock.after(grace, resolve);
      }),
    ]);
    cancel();
    this.#lanes.breakOff();
    await idle;
    this.#fanOut.save();
  }

  /** Servers that are behind, by NID. */
  behind(after: ServerNid | 0, limit: number): (Destination & { readonly name: ServerName })[] {
    const { destinations, interning } = this.#uses;
    return destinations.page(after, limit).map((row) => ({ ...row, name: interning.serverName(row.server) }));
  }

  /** Called for each commit and each answer: once for many of them is enough, and not inside of them. */
  #wake(): void {
    if (this.#woken || !this.#isRunning) return;
    this.#woken = true;
    setImmediate(() => {
      this.#turn().catch((cause: unknown) => {
        this.#woken = false;
        this.#log.error('outbox.failed', { cause });
      });
    });
  }

  async #turn(): Promise<void> {
    // Nobody else may learn of what a power cut could still take back.
    await this.#uses.db.unanswered;
    this.#woken = false;
    if (!this.#isRunning) return;
    this.#fanOut.step();
    this.#laggards.step();
    this.#setTimer();
  }

  #cameBack(name: ServerName): void {
    const { db, interning, destinations, clock } = this.#uses;
    const server = this.#isRunning ? interning.findServer(name) : undefined;
    const row = server === undefined ? undefined : destinations.get(server);
    if (server === undefined || row === undefined || row.due === null || row.due <= clock.now()) return;
    db.write<void>(() => destinations.due(server, clock.now()));
    this.#wake();
  }

  #endWaits(): void {
    const { db, clock, retryMax, destinations } = this.#uses;
    const now = clock.now();
    this.#timerAt = Infinity;
    try {
      db.write<void>(() => destinations.endWaitsAfter(now + retryMax, now));
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      this.#timerAt = now + diskRest;
      this.#cancelTimer = clock.after(diskRest, () => this.#endWaits());
      return;
    }
    this.#wake();
  }

  /** One timer, for the server whose wait ends first. */
  #setTimer(): void {
    const { destinations, clock } = this.#uses;
    const next = destinations.nextDue(clock.now()) ?? Infinity;
    if (next === this.#timerAt) return;
    this.#cancelTimer();
    this.#timerAt = next;
    if (next === Infinity) return;
    const delay = Math.min(longestTimer, Math.max(0, next - clock.now()));
    this.#cancelTimer = clock.after(millis(delay), () => this.#endWaits());
  }
}
