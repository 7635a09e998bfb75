import { usualTimeout } from '../outbound/outbound-http.ts';
import type { Database } from '../store/db.ts';
import type { EventStore } from '../store/events/event-store.ts';
import { eventFlags } from '../store/events/flags.ts';
import type { StreamPos } from '../store/nids.ts';
import type { PushCountStore } from '../store/push/push-counts.ts';
import type { Pusher, PusherStore } from '../store/push/pushers.ts';
import type { AccountStore } from '../store/users/accounts.ts';
import type { Notifier, Unsubscribe } from '../streams/notifier.ts';
import type { Streams } from '../streams/streams.ts';
import { millis } from '../util/brand.ts';
import type { Cancel, Clock } from '../util/clock.ts';
import { diskRest, isDiskFull } from '../util/disk-full.ts';
import type { JsonObject } from '../util/json.ts';
import type { Log } from '../util/log.ts';
import { Lru } from '../util/lru.ts';
import type { PushGateway, PushOutcome } from './push-gateway.ts';
import { type PushMails, patience } from './push-mails.ts';
import type { PushMessages } from './push-message.ts';

export interface PushDeliveryUses {
  readonly db: Database;
  readonly streams: Streams;
  readonly notifier: Notifier;
  readonly events: EventStore;
  readonly pushers: PusherStore;
  readonly pushCounts: PushCountStore;
  /** Whose account is locked hears of nothing: the phone may have been stolen. */
  readonly accounts: Pick<AccountStore, 'find'>;
  readonly messages: PushMessages;
  readonly gateway: PushGateway;
  readonly mails: PushMails;
  readonly clock: Clock;
  readonly log: Log;
}

/** What a pusher has to tell next, and what will be told with it. */
interface Step {
  readonly cursor: StreamPos;
  readonly badge: number;
  readonly send: () => Promise<PushOutcome>;
}

/** A mail that is not due yet: more may come that it can tell of, or its user may read in the meantime. */
interface Later {
  readonly notBefore: number;
}

/** Requests at once, each of another pusher: a gateway that answers in 200 ms takes forty a second. */
const atOnce = 8;
const firstWait = 1000;
const longestWait = 60 * 60 * 1000;
/**
 * How long a stop waits for answers. As long as a call may take at all, so that each has come to an end that is known:
 * what would be broken off after it was sent would ring twice, or, taken for told, perhaps not at all.
 */
const grace = usualTimeout;
/**
 * How long a gateway that has not answered in time is left alone by all pushers: many that wait for one that is dead
 * would take all turns.
 */
const silence = 30_000;
/** Silent gateways remembered; there are hardly more in the world. */
const maxSilent = 256;
/** Notifications that need not be told (redacted ones), passed over in one go. */
const maxPassed = 50;

/**
 * Tells push gateways what notifies users. Every pusher has its own cursor in the database, moved on when the gateway
 * has answered: what must ring rings once, also after a restart and a gateway's outage. A crash while a gateway is being
 * told rings that one event again, since nobody can know whether it was taken; it has the same event ID, by which apps
 * put it in the place of the first. What is read meanwhile does not ring, nor
 * what is older than the newest thousand unread of a room, nor what comes while the account is locked: those are only
 * counted. Pushers take turns, one request each.
 */
export class PushDelivery {
  readonly #uses: PushDeliveryUses;
  readonly #log: Log;
  readonly #underWay = new Map<number, Promise<void>>();
  /** By origin: until when, in monotonic milliseconds. */
  readonly #silent = new Lru<string, number>(maxSilent);
  #unsubscribe: Unsubscribe = () => {};
  #cancelTimer: Cancel = () => {};
  #woken = false;
  #stopped = false;

  constructor(uses: PushDeliveryUses) {
    this.#uses = uses;
    this.#log = uses.log.child('push');
  }

  /** Goes on where the last process stopped. */
  start(): void {
    this.#unsubscribe = this.#uses.notifier.subscribe(() => this.#wake());
    this.#endWaits();
  }

  /** Begins nothing new; waits a moment for what is under way, then has it broken off. */
  async stop(breakOff: () => void): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe();
    this.#cancelTimer();
    const settled = Promise.all(this.#underWay.values());
    let cancel: Cancel = () => {};
    await Promise.race([
      settled,
      new Promise<void>((resolve) => {
        cancel = this.#uses.clock.after(grace, resolve);
      }),
    ]);
    cancel();
    breakOff();
    await settled;
  }

  /** Called for each commit: once for many of them is enough, and not inside of them. */
  #wake(): void {
    if (this.#woken || this.#stopped) return;
    this.#woken = true;
    setImmediate(() => {
      this.#woken = false;
      this.#fill();
    });
  }

  #fill(): void {
    if (this.#stopped || this.#underWay.size >= atOnce) return;
    for (const nid of this.#uses.pushers.ready(2 * atOnce)) {
      if (this.#underWay.size >= atOnce) return;
      if (this.#underWay.has(nid)) continue;
      this.#underWay.set(nid, this.#serve(nid));
    }
  }

  async #serve(nid: number): Promise<void> {
    try {
      // Idle ones cost a millisecond each: others come between.
      await new Promise((resolve) => setImmediate(resolve));
      const step = this.#next(nid);
      if (step !== undefined) this.#settle(nid, step, await step.send());
      this.#wake();
    } catch (problem) {
      // It stays ready, and is tried when something happens next.
      this.#log.error('push.failed', { pusher: nid, cause: problem });
    } finally {
      this.#underWay.delete(nid);
    }
  }

  async #notify(url: string, message: JsonObject): Promise<PushOutcome> {
    const { clock, gateway } = this.#uses;
    const { origin } = new URL(url);
    if ((this.#silent.get(origin) ?? 0) > clock.monotonic()) {
      return { kind: 'failed', detail: 'it did not answer a moment ago', isSilent: false };
    }
    const outcome = await gateway.notify(url, message);
    if (outcome.kind === 'failed' && outcome.isSilent) this.#silent.set(origin, clock.monotonic() + silence);
    return outcome;
  }

  /** What a pusher has to tell; with nothing it is idle from now on, until something changes for its user. */
  #next(nid: number): Step | undefined {
    const { db, pushers, streams } = this.#uses;
    const pusher = pushers.get(nid);
    if (pusher === undefined) return undefined;
    const now = streams.now();
    const isLocked = this.#uses.accounts.find(pusher.user)?.locked === true;
    const step = isLocked ? undefined : this.#step(pusher, now);
    if (step === undefined) db.write<void>(() => pushers.makeIdle(nid, now));
    if (step === undefined || !('notBefore' in step)) return step;
    db.write<void>(() => pushers.wait(nid, pusher.failures, step.notBefore));
    this.#setTimer();
    return undefined;
  }

  #step(pusher: Pusher, now: StreamPos): Step | Later | undefined {
    return pusher.kind === 'email' ? this.#nextMail(pusher) : this.#nextCall(pusher, now);
  }

  #nextCall(pusher: Pusher, now: StreamPos): Step | undefined {
    const { pushCounts, events, messages } = this.#uses;
    const { user } = pusher;
    const badge = pushCounts.total(user);
    const { url } = JSON.parse(pusher.data) as { url: string };
    let { cursor } = pusher;
    for (let passed = 0; passed < maxPassed; passed++) {
      const notification = pushCounts.notificationAfter(user, cursor);
      if (notification === undefined) {
        // Counts that have risen were told with what raised them.
        if (pusher.badge === null || badge >= pusher.badge) return undefined;
        return this.#call(url, now, badge, messages.badge(pusher, badge));
      }
      cursor = notification.pos;
      const row = events.row(notification.event);
      if (row === undefined || (row.flags & eventFlags.REDACTED) !== 0) continue;
      return this.#call(url, cursor, badge, messages.event(pusher, row, notification, badge));
    }
    return this.#call(url, cursor, badge, messages.badge(pusher, badge));
  }

  #call(url: string, cursor: StreamPos, badge: number, message: JsonObject): Step {
    return { cursor, badge, send: () => this.#notify(url, message) };
  }

  /** A mail tells of all that has come so far. */
  #nextMail(pusher: Pusher): Step | Later | undefined {
    const { pushCounts, mails, clock } = this.#uses;
    const mail = mails.next(pusher);
    if (mail === undefined) return undefined;
    if (mail.due > clock.now()) return { notBefore: mail.due };
    const badge = pushCounts.total(pusher.user);
    return { cursor: mail.cursor, badge, send: () => mails.send(pusher, mail) };
  }

  #settle(nid: number, { cursor, badge }: Step, outcome: PushOutcome): void {
    const { db, pushers, streams, clock } = this.#uses;
    // Meanwhile it may have been changed or deleted.
    const pusher = pushers.get(nid);
    if (pusher === undefined) return;
    if (outcome.kind === 'delivered' && outcome.rejected.includes(pusher.pushkey)) {
      this.#log.info('push.rejected', { pusher: nid, appId: pusher.appId });
      db.write<void>(() => pushers.remove(nid));
      return;
    }
    if (outcome.kind === 'failed') {
      const failures = pusher.failures + 1;
      const wait = Math.min(longestWait, firstWait * 2 ** Math.min(failures - 1, 30));
      this.#log.info('push.waits', { pusher: nid, failures, wait, detail: outcome.detail });
      if (pusher.enabled) db.write<void>(() => pushers.wait(nid, failures, clock.now() + wait));
      else db.write<void>(() => pushers.makeIdle(nid, pusher.cursor));
      this.#setTimer();
      return;
    }
    if (outcome.kind === 'refused') this.#log.warn('push.refused', { pusher: nid, detail: outcome.detail });
    // A position of its own sends it to the end of the line.
    if (pusher.enabled) db.write<void>(() => pushers.told(nid, cursor, badge, streams.next()));
    else db.write<void>(() => pushers.makeIdle(nid, cursor));
    if (pusher.kind === 'http' || !pusher.enabled) return;
    // One mail in a while, however fast messages come.
    db.write<void>(() => pushers.wait(nid, 0, clock.now() + patience));
    this.#setTimer();
  }

  #endWaits(): void {
    const { db, pushers, streams, clock } = this.#uses;
    const now = clock.now();
    try {
      db.write<void>(() => pushers.endWaits(streams.now(), now, now + longestWait));
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      this.#cancelTimer = clock.after(diskRest, () => this.#endWaits());
      return;
    }
    this.#setTimer();
    this.#wake();
  }

  #setTimer(): void {
    this.#cancelTimer();
    if (this.#stopped) return;
    const { pushers, clock } = this.#uses;
    const next = pushers.nextRetry();
    if (next === undefined) return;
    const delay = Math.min(longestWait, Math.max(0, next - clock.now()));
    this.#cancelTimer = clock.after(millis(delay), () => this.#endWaits());
  }
}
