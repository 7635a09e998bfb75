import type { Database } from '../../store/db.ts';
import type { DestinationStore } from '../../store/federation/destinations.ts';
import type { OutgoingStore } from '../../store/federation/outgoing.ts';
import type { ServerRooms } from '../../store/federation/server-rooms.ts';
import type { ServerNid, StreamPos } from '../../store/nids.ts';
import type { Streams } from '../../streams/streams.ts';
import { type Millis, millis } from '../../util/brand.ts';
import type { Cancel, Clock } from '../../util/clock.ts';
import { diskRest, isDiskFull } from '../../util/disk-full.ts';
import type { Log } from '../../util/log.ts';
import type { Courier } from './courier.ts';
import type { EduSources } from './edu-sources.ts';
import type { Lanes } from './lanes.ts';
import { Span, type SpanItem } from './span.ts';
import { noEdus, type Transactions, type WireEdus } from './transaction.ts';

export interface FanOutUses {
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
  /** Our own server, once it has a NID. */
  readonly own: () => ServerNid | undefined;
  /** There is room for more to do. */
  readonly wake: () => void;
}

/** Pages of servers read in one go: some milliseconds. */
const pagesAtOnce = 4;
/** Positions that "now" may run ahead of what the database knows to be told, while there is nothing to tell. */
const maxUnsaved = 1000;
/** If telling everybody takes longer than this, what concerns few servers goes ahead of it. */
const longRound = millis(1000);
const fewServers = 16;
/** Rows of events behind the servers that keep up: what one that was away may be told in full. Some 200 kB. */
const maxKept = 5000;
const thinnedAtOnce = 500;
/** Rounds between two looks at what may be thinned out. */
const roundsBetweenThinnings = 50;

/** A span that the servers are being told of. */
interface Round {
  readonly span: Span;
  /** Servers read so far, by NID; those that were read and not yet started. */
  after: ServerNid | 0;
  waiting: SpanItem[];
  allRead: boolean;
  readonly inFlight: Set<ServerNid>;
  /** Of those in flight: what came of it could not be noted, so they are told again. */
  again: SpanItem[];
  /** Of these there is news that must not wait for the round's end. */
  readonly ahead: Set<ServerNid>;
  /** How far it was looked for such news. */
  aheadTo: StreamPos;
  isLong: boolean;
  readonly cancel: Cancel;
}

/**
 * Tells the servers that keep up, all by one cursor, in rounds: what has happened since the last round is read once and
 * goes to each server that it concerns, page by page in the order of their NIDs. Whoever does not take it gets a row of
 * its own and does not hold up the others; a round that succeeds writes nothing about single servers.
 */
export class FanOut {
  readonly #uses: FanOutUses;
  #told: StreamPos;
  #saved: StreamPos;
  #round: Round | undefined;
  readonly #interrupted: { readonly telling: StreamPos; readonly done: ServerNid | 0 } | undefined;
  #rounds = 0;
  #hasIdle = true;
  #stopped = false;

  constructor(uses: FanOutUses) {
    this.#uses = uses;
    const { told, telling, done } = uses.destinations.progress();
    this.#told = told;
    this.#saved = told;
    this.#interrupted = telling > told ? { telling, done } : undefined;
  }

  /** A round that the process's end has interrupted goes on as it was: who has had its transaction knows it by its ID. */
  start(): void {
    if (this.#interrupted === undefined) return;
    const { telling, done } = this.#interrupted;
    this.#round = this.#newRound(new Span(this.#uses, this.#told, telling), done);
  }

  /** Everything up to here has been told to all servers without a row of their own. */
  get told(): StreamPos {
    return this.#told;
  }

  /** A server with a row of its own has nothing more to hear. */
  becameIdle(): void {
    this.#hasIdle = true;
  }

  /** Starts what can be started; called whenever there may be something. */
  step(): void {
    if (this.#stopped) return;
    for (let pages = 0; pages < pagesAtOnce; ) {
      if (this.#round === undefined && !this.#begin()) return;
      const round = this.#round as Round;
      this.#start(round);
      if (round.waiting.length > 0) break;
      if (!round.allRead) {
        this.#read(round);
        pages++;
        if (pages === pagesAtOnce) this.#uses.wake();
      } else if (round.inFlight.size === 0) this.#finish(round);
      else break;
    }
    if (this.#round?.isLong === true) this.#goAhead(this.#round);
  }

  /** Nothing new is begun; what is under way will be repeated after the start, and nothing else. */
  stop(): void {
    this.#stopped = true;
    this.#round?.cancel();
  }

  /** After the last answer: those that were broken off. */
  save(): void {
    const round = this.#round;
    if (round === undefined) return;
    this.#uses.db.write<void>(() => this.#saveDone(round));
  }

  #begin(): boolean {
    const { streams, destinations, db } = this.#uses;
    const now = streams.now();
    if (now <= this.#told) {
      if (this.#hasIdle) db.write<void>(() => this.#saveTold());
      return false;
    }
    const span = new Span(this.#uses, this.#told, now);
    if (span.isEmpty) {
      this.#told = span.to;
      if (this.#hasIdle || span.to - this.#saved > maxUnsaved) db.write<void>(() => this.#saveTold());
      return false;
    }
    db.write<void>(() => {
      // The row's cursor may lag behind, but never behind what is told of from here on.
      if (this.#saved !== this.#told) this.#saveTold();
      destinations.begin(span.to);
    });
    this.#round = this.#newRound(span, 0);
    return true;
  }

  #saveTold(): void {
    this.#uses.destinations.finish(this.#told);
    this.#saved = this.#told;
    this.#hasIdle = false;
  }

  #newRound(span: Span, after: ServerNid | 0): Round {
    const round: Round = {
      span,
      after,
      waiting: [],
      allRead: false,
      inFlight: new Set(),
      again: [],
      ahead: new Set(),
      aheadTo: span.to,
      isLong: false,
      cancel: this.#uses.clock.after(longRound, () => {
        round.isLong = true;
        this.#uses.wake();
      }),
    };
    return round;
  }

  /** The next page of servers. Those that have a row, are out of reach or may not be talked to are dealt with here. */
  #read(round: Round): void {
    const { db, destinations, courier, clock, own } = this.#uses;
    const page = round.span.page(round.after);
    const last = page.at(-1);
    if (last === undefined) {
      round.allRead = true;
      return;
    }
    const rows = destinations.among(page.map(({ server }) => server));
    const self = own();
    const open: SpanItem[] = [];
    const later: (() => void)[] = [];
    for (const item of page) {
      const { server, events, hasEdus } = item;
      if (server === self || (events.length === 0 && !hasEdus)) continue;
      const row = rows.get(server);
      // Of one that waits for its turn, or is dead, it is known already: a message costs nothing for it.
      if (row?.isIdle === false) continue;
      if (!courier.mayTalkTo(server)) later.push(() => this.#giveUp(server, round.span));
      else if (row !== undefined) later.push(() => destinations.wake(server, clock.now()));
      else if (courier.isDown(server)) later.push(() => this.#fallBehind(round, server, 'it is out of reach'));
      else open.push(item);
    }
    // Read before it is written: a server that is started is found behind `done`.
    const isFirst = round.after === 0;
    round.after = last.server;
    round.waiting = open;
    if (later.length === 0 && isFirst) return;
    db.write<void>(() => {
      for (const write of later) write();
      if (!isFirst) this.#saveDone(round);
    });
  }

  /** Inside a write: notes which servers have had the round's span, or have a row. */
  #saveDone({ after, waiting, inFlight }: Round): void {
    const pending = [...inFlight, ...waiting.map(({ server }) => server)].sort((a, b) => a - b)[0];
    this.#uses.destinations.done(pending ?? after, pending !== undefined);
  }

  #start(round: Round): void {
    const { lanes } = this.#uses;
    while (round.waiting.length > 0 && lanes.free('shared') > 0) {
      const item = round.waiting.shift() as SpanItem;
      // Gone ahead meanwhile, with a row of its own, or on its way for another reason: its row knows.
      if (lanes.has(item.server) || this.#uses.destinations.get(item.server) !== undefined) continue;
      round.inFlight.add(item.server);
      lanes.fly(
        'shared',
        item.server,
        (signal) => this.#tell(round, item, signal),
        () => this.#becameSlow(round, item.server),
      );
    }
  }

  async #tell(round: Round, item: SpanItem, signal: AbortSignal): Promise<void> {
    const { transactions, courier, wake, log } = this.#uses;
    const { server, events, hasEdus } = item;
    const { from, to } = round.span;
    try {
      const edus = hasEdus ? transactions.edus(server, from, to) : noEdus(to);
      const result =
        events.length === 0 && edus.texts.length === 0
          ? ({ ok: true } as const)
          : await courier.send(server, transactions.write(to, events, edus.texts), signal);
      if (result.ok) this.#delivered(round, item, edus);
      else if (!this.#stopped) this.#failed(round, server, result.detail, result.retryAfter);
    } catch (cause) {
      if (isDiskFull(cause)) return this.#tellAgain(round, item);
      log.error('outbox.failed', { server: courier.name(server), cause });
      if (!this.#stopped) this.#failed(round, server, 'the transaction could not be written');
    } finally {
      round.ahead.delete(server);
      // At a stop it stays under way: it will be repeated. So does what is told again.
      if (!this.#stopped && !round.again.includes(item)) round.inFlight.delete(server);
      wake();
    }
  }

  /** The round does not end before; who has had it knows it by its ID. */
  #tellAgain(round: Round, item: SpanItem): void {
    round.again.push(item);
    if (round.again.length > 1) return;
    this.#uses.clock.after(diskRest, () => {
      if (this.#stopped) return;
      for (const { server } of round.again) round.inFlight.delete(server);
      round.waiting.push(...round.again);
      round.again = [];
      this.#uses.wake();
    });
  }

  #delivered(round: Round, { server, isAddressed }: SpanItem, edus: WireEdus): void {
    const { db, destinations, outgoing, clock } = this.#uses;
    const { to } = round.span;
    round.inFlight.delete(server);
    const hasRow = destinations.get(server) !== undefined;
    const isBehind = edus.upTo < to || round.ahead.has(server);
    if (!hasRow && !isBehind && !isAddressed && edus.from.length === 0) return;
    db.write<void>(() => {
      for (const source of edus.from) source.delivered?.(server, edus.upTo);
      if (isAddressed) outgoing.unaddress(server, to);
      if (hasRow) destinations.told(server, to, edus.upTo, clock.now());
      else if (isBehind) {
        const at = { told: to, edus: edus.upTo, upTo: null };
        destinations.add({ server, ...at, failures: 0, due: clock.now(), error: null });
      }
    });
  }

  #failed(round: Round, server: ServerNid, detail: string, retryAfter?: Millis): void {
    const { db, destinations, courier } = this.#uses;
    db.write<void>(() => {
      this.#fallBehind(round, server, detail);
      destinations.failed(server, 1, courier.retryAt(server, 1, retryAfter), detail);
    });
  }

  /** Others do not wait for it any longer. Its row begins where the round did, and its transaction is the round's. */
  #becameSlow(round: Round, server: ServerNid): void {
    const { db, destinations, clock, wake } = this.#uses;
    const { from, to } = round.span;
    try {
      db.write<void>(() =>
        destinations.add({ server, told: from, edus: from, upTo: to, failures: 0, due: clock.now(), error: null }),
      );
    } catch (error) {
      // Then they wait.
      if (isDiskFull(error)) return;
      throw error;
    }
    round.inFlight.delete(server);
    wake();
  }

  #fallBehind({ span: { from, to } }: Round, server: ServerNid, error: string): void {
    const { destinations, courier } = this.#uses;
    destinations.add({ server, told: from, edus: from, upTo: to, failures: 1, due: courier.retryAt(server, 1), error });
  }

  /** The configuration forbids it: what waits for it must not wait for ever. */
  #giveUp(server: ServerNid, { from, to }: Span): void {
    const { edus, outgoing } = this.#uses;
    edus.giveUp(server, from, to);
    outgoing.unaddress(server, to);
  }

  /** News for few servers since the round began: they get rows, by which they are told at once. */
  #goAhead(round: Round): void {
    const { db, streams, destinations, clock, lanes, own, courier } = this.#uses;
    const now = streams.now();
    if (now <= round.aheadTo) return;
    const span = new Span(this.#uses, round.aheadTo, now);
    round.aheadTo = span.to;
    const self = own();
    const servers = span.fewServers(fewServers).filter((server) => server !== self && courier.mayTalkTo(server));
    if (servers.length > 0) {
      const at = clock.now();
      db.write<void>(() => {
        for (const server of servers) {
          if (round.inFlight.has(server) && lanes.has(server)) round.ahead.add(server);
          else {
            const isTold = server <= round.after && !round.waiting.some((item) => item.server === server);
            const told = isTold ? round.span.to : round.span.from;
            destinations.add({ server, told, edus: told, upTo: null, failures: 0, due: at, error: null });
            destinations.wake(server, at);
          }
        }
      });
    }
    if (span.to < now || servers.length > 0) this.#uses.wake();
  }

  #finish(round: Round): void {
    const { db, transactions } = this.#uses;
    round.cancel();
    this.#told = round.span.to;
    db.write<void>(() => {
      this.#saveTold();
      if (++this.#rounds % roundsBetweenThinnings === 0) this.#thin();
    });
    this.#round = undefined;
    transactions.forget();
  }

  /** Events that everybody has been told of are forgotten, and those too old to be told one by one. */
  #thin(): void {
    const { destinations, outgoing } = this.#uses;
    const oldest = destinations.oldest() ?? this.#told;
    const needed = oldest < this.#told ? oldest : this.#told;
    const old = outgoing.behind(maxKept);
    const end = old !== undefined && old > needed ? old : needed;
    if (end > destinations.progress().kept) destinations.keepAfter(end);
    outgoing.thin(end, thinnedAtOnce);
  }
}
