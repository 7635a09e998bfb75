import type { Pdu } from '../../protocol/events/pdu.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { EventNid, RoomNid, ServerNid } from '../../store/nids.ts';
import { type DeferredPdu, type DeferredPduStore, nothing } from '../../store/rooms/deferred-pdus.ts';
import type { PartialRooms } from '../../store/rooms/partial-rooms.ts';
import { millis } from '../../util/brand.ts';
import type { Cancel, Clock } from '../../util/clock.ts';
import { isDiskFull } from '../../util/disk-full.ts';
import type { Log } from '../../util/log.ts';
import type { Lacking } from './fate.ts';
import type { VerifiedEvent } from './verify.ts';

export interface DeferredUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly deferredPdus: DeferredPduStore;
  readonly partialRooms: Pick<PartialRooms, 'has'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** A server that keeps sending what cannot be completed fills neither the disk nor the places of others. */
const mostInRoom = 100;
const mostInAll = 2000;
/** Once half of all places are taken; until then a room's bound does. */
const mostOfServer = 500;
/** Tried again after a minute, two, four … up to an hour; the last time after some four hours. */
const firstWait = 60_000;
const longestWait = 3_600_000;
const mostTries = 9;
/** To resolve states that disagree on more than is ever resolved takes a worker some seconds each time, only to say so. */
const longWait = 600_000;
const triedAtOnce = 20;
const readyAtOnce = 50;

/** Why the states that an event follows are not resolved: those of too many others were, or there is too much in them. */
export type Unresolved = 'too many conflicts' | 'too large a conflict';

/** Tries events of one room again; it takes away those that it has decided about. */
export type TryAgain = (room: RoomNid, origin: ServerName, events: readonly VerifiedEvent[]) => Promise<void>;

/** Events that could not be judged because what they cite could not be had: kept, and tried again with back-off. */
export class Deferred {
  readonly #uses: DeferredUses;
  #tryAgain: TryAgain | undefined;
  #timer: { readonly at: number; readonly cancel: Cancel } | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(uses: DeferredUses) {
    this.#uses = uses;
  }

  /** Begins to try again what waits. */
  start(tryAgain: TryAgain): void {
    this.#tryAgain = tryAgain;
    this.#schedule();
  }

  /** Resolves when what is being tried is through. */
  async stop(): Promise<void> {
    this.#tryAgain = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#running;
  }

  /** Inside a write. Keeps an event; one that is kept already has failed once more. False if it is given up. */
  keep(room: RoomNid, origin: ServerName, event: VerifiedEvent, lacking: Lacking): boolean {
    const { interning, deferredPdus, log } = this.#uses;
    const nid = interning.event(event.eventId);
    const [first] = [...lacking.authEvents, ...lacking.prevEvents];
    if (first === undefined) throw new Error('an event that lacks nothing need not wait');
    const missing = interning.event(first);
    const kept = deferredPdus.find(nid);
    if (kept !== undefined) return this.#postpone(kept, missing, firstWait);
    if (!this.#add(room, origin, event, missing, firstWait)) return false;
    log.info('receive.deferred', { event: event.eventId, missing: first, origin });
    return true;
  }

  /** Inside a write. The same for one that lacks nothing: the states that it follows could not be resolved. */
  keepUnresolved(room: RoomNid, origin: ServerName, event: VerifiedEvent, why: Unresolved): boolean {
    const { interning, deferredPdus, log } = this.#uses;
    const wait = why === 'too large a conflict' ? longWait : firstWait;
    const kept = deferredPdus.find(interning.event(event.eventId));
    if (kept !== undefined) return this.#postpone(kept, nothing, wait);
    if (!this.#add(room, origin, event, nothing, wait)) return false;
    log.warn('receive.deferred', { event: event.eventId, room: interning.roomId(room), why, origin });
    return true;
  }

  #add(room: RoomNid, origin: ServerName, event: VerifiedEvent, missing: EventNid, wait: number): boolean {
    const { db, interning, deferredPdus, clock, log } = this.#uses;
    if (deferredPdus.countIn(room) >= mostInRoom || !this.#hasPlaceFor(interning.server(origin))) {
      log.warn('receive.too_many_deferred', { room: interning.roomId(room), event: event.eventId, origin });
      return false;
    }
    deferredPdus.add({
      event: interning.event(event.eventId),
      room,
      origin: interning.server(origin),
      missing,
      redacted: event.redacted,
      body: event.canonical,
      tries: 1,
      retryAt: millis(clock.now() + wait),
    });
    db.afterCommit(() => this.#schedule());
    return true;
  }

  #hasPlaceFor(origin: ServerNid): boolean {
    const { deferredPdus } = this.#uses;
    const count = deferredPdus.count();
    return count < mostInAll && (count < mostInAll / 2 || deferredPdus.countOf(origin) < mostOfServer);
  }

  /** Inside a write: the event need not be kept any more. */
  settle(nid: EventNid): void {
    this.#uses.deferredPdus.remove(nid);
  }

  /** Tries all of a room again at once: what they lacked can be had by now. */
  hurry(room: RoomNid): void {
    const { db, deferredPdus, clock } = this.#uses;
    db.write<void>(() => deferredPdus.hurry(room, clock.now()));
    this.#schedule(0);
  }

  /** Those of a room that may be judged by now. */
  ready(room: RoomNid): VerifiedEvent[] {
    return this.#uses.deferredPdus.ready(room, readyAtOnce).map((row) => this.#read(row));
  }

  #postpone({ event, room, tries, retryAt, ...kept }: DeferredPdu, missing: EventNid, first: number): boolean {
    const { db, deferredPdus, clock, log, interning } = this.#uses;
    db.afterCommit(() => this.#schedule());
    // It came in again before its time.
    if (retryAt > clock.now()) {
      // Whether what it lacked is here by now is no question any more.
      if (missing === nothing && kept.missing !== nothing) deferredPdus.postpone(event, nothing, tries, retryAt);
      return true;
    }
    // What lacks the state of a room that is being filled in waits for that.
    if (tries >= mostTries && !this.#uses.partialRooms.has(room)) {
      deferredPdus.remove(event);
      const lacks = missing === nothing ? {} : { missing: interning.eventId(missing) };
      log.warn('receive.given_up', { event: interning.eventId(event), ...lacks });
      return false;
    }
    const wait = Math.min(longestWait, first * 2 ** tries);
    deferredPdus.postpone(event, missing, tries + 1, millis(clock.now() + wait));
    return true;
  }

  #read({ event, body, redacted }: DeferredPdu): VerifiedEvent {
    // As plain JSON: what the numbers of old room versions looked like is in the canonical text.
    const pdu = JSON.parse(body) as Pdu;
    return { pdu, eventId: this.#uses.interning.eventId(event), canonical: body, redacted };
  }

  /** One timer, for whatever is due first. */
  #schedule(soonest = 1000): void {
    const { deferredPdus, clock } = this.#uses;
    if (this.#tryAgain === undefined) return;
    const at = deferredPdus.next();
    if (at === undefined || (this.#timer !== undefined && this.#timer.at <= at)) return;
    this.#timer?.cancel();
    const cancel = clock.after(millis(Math.max(soonest, at - clock.now())), () => {
      this.#timer = undefined;
      this.#running = this.#running.then(() => this.#round());
    });
    this.#timer = { at, cancel };
  }

  async #round(): Promise<void> {
    const { deferredPdus, clock, log } = this.#uses;
    let soonest = 1000;
    try {
      const due = deferredPdus.due(clock.now(), triedAtOnce);
      for (const group of Map.groupBy(due, ({ room, origin }) => `${room} ${origin}`).values()) {
        try {
          await this.#try(group);
        } catch (error) {
          if (isDiskFull(error)) throw error;
          log.error('receive.retry_failed', { room: group[0]?.room, error });
          this.#postponeAll(group);
        }
      }
    } catch (error) {
      log.error('receive.retry_failed', { error });
      soonest = firstWait;
    }
    this.#schedule(soonest);
  }

  /** What fails, and not for want of what it cites, comes after others the next time. */
  #postponeAll(group: readonly DeferredPdu[]): void {
    const { db, deferredPdus } = this.#uses;
    db.write<void>(() => {
      for (const { event } of group) {
        const kept = deferredPdus.find(event);
        if (kept !== undefined) this.#postpone(kept, kept.missing, firstWait);
      }
    });
  }

  async #try(group: readonly DeferredPdu[]): Promise<void> {
    const { db, interning, deferredPdus, clock } = this.#uses;
    const [first] = group;
    if (first === undefined || this.#tryAgain === undefined) return;
    const began = clock.now();
    await this.#tryAgain(
      first.room,
      interning.serverName(first.origin),
      group.map((row) => this.#read(row)),
    );
    // What nobody has decided about, such as events of a room that we have left, is not tried for ever.
    db.write<void>(() => {
      for (const { event } of group) {
        if ((deferredPdus.find(event)?.retryAt ?? Infinity) <= began) deferredPdus.remove(event);
      }
    });
  }
}
