import { limitExceeded, MatrixError, notFound, tooLarge, userSuspended } from '../../protocol/errors.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { UserNid } from '../../store/nids.ts';
import type { DelayedEventRow, DelayedEventStore, DelayedStatus } from '../../store/rooms/delayed-events.ts';
import type { Requester } from '../../users/login/requester.ts';
import { type Millis, millis } from '../../util/brand.ts';
import type { Cancel, Clock } from '../../util/clock.ts';
import type { JsonObject } from '../../util/json.ts';
import type { Log } from '../../util/log.ts';
import { type Random, randomToken } from '../../util/random.ts';
import type { CommittedEvent, EventObserver } from '../input/observer.ts';
import type { KnownRooms } from '../known-rooms.ts';
import { checkDraft } from './content-checks.ts';
import type { EventDraft } from './draft.ts';
import type { LocalEvent } from './local-events.ts';
import type { Sending } from './send.ts';

export const delayedActions = ['send', 'cancel', 'restart'] as const;
export type DelayedAction = (typeof delayedActions)[number];

export interface DelayedEventsUses {
  readonly db: Database;
  readonly store: DelayedEventStore;
  readonly interning: Interning;
  readonly rooms: KnownRooms;
  readonly sending: Sending;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly serverName: ServerName;
  readonly maxDelay: Millis;
  /** Who sends when the time has come; `undefined` if the account is closed or locked by then. */
  readonly senderOf: (user: UserNid) => Requester | undefined;
}

export interface ScheduleOptions {
  readonly txnId?: string;
  /** As part of `/send` or `/state`, where a delay that is too long has another error. */
  readonly isOlderForm?: boolean;
}

/** Scheduled at once by one user. */
export const maxScheduled = 100;

/** Larger content could never be sent. */
const maxContentBytes = 65_536;

/** So long it can be asked what became of one, and its sender sees with the event which one it was. */
const rememberedFor = 7 * 24 * 60 * 60_000;
/** Of one user. */
const mostRemembered = 1000;
const forgottenAtOnce = 20;

/** Sent in a row before others get their turn. */
const sentAtOnce = 20;

/** The longest that a timer is set for: it looks again then. */
const longestTimer = 60 * 60_000;

/** After a failure that is nobody's mistake, such as a full disk. */
const afterFailure = 60_000;

/**
 * Events that are sent later unless somebody cancels them, such as "has left the call" of a client that may vanish.
 * They survive a restart: what became due meanwhile is sent at the start, in order. Whether they may be sent is asked
 * when they are.
 * @see https://github.com/matrix-org/matrix-spec-proposals/pull/4140
 */
export class DelayedEvents implements EventObserver {
  readonly follows = { live: 'state' } as const;
  readonly #uses: DelayedEventsUses;
  #cancelTimer: Cancel | undefined;
  #sending: Promise<void> | undefined;
  #stopped = false;

  constructor(uses: DelayedEventsUses) {
    this.#uses = uses;
  }

  /** Begins to send what is due. */
  start(): void {
    this.#schedule();
  }

  /** Sends nothing any more; resolves when what is under way is done. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer?.();
    await this.#sending;
  }

  /**
   * Answers the ID by which it can be managed; the same transaction ID of a device answers the first.
   * 400 M_BAD_JSON · 403 M_FORBIDDEN too long a delay (400 M_UNKNOWN in the older form), no such room;
   * M_USER_SUSPENDED · 413 M_TOO_LARGE
   * · 429 M_LIMIT_EXCEEDED too many are scheduled, until the next of them is sent
   */
  schedule(
    requester: Requester,
    roomId: string,
    draft: EventDraft,
    delay: number,
    { txnId, isOlderForm = false }: ScheduleOptions = {},
  ): Promise<string> {
    const { db, store, rooms, clock, random, maxDelay, serverName } = this.#uses;
    if (delay > maxDelay) throw delayTooLong(maxDelay, isOlderForm);
    if (requester.suspended === true) throw userSuspended();
    const room = rooms.getForMember(roomId);
    checkDraft(draft, serverName);
    const content = JSON.stringify(draft.content);
    if (Buffer.byteLength(content) > maxContentBytes) throw tooLarge('This is too large for an event');
    const txn = txnId === undefined ? null : JSON.stringify([requester.device, room.nid, draft.type, txnId]);
    return db.durable<string>(() => {
      store.removeEnded(clock.now() - rememberedFor, forgottenAtOnce);
      const known = txn === null ? undefined : store.byTxn(txn);
      if (known !== undefined) return known.id;
      const { user } = requester;
      store.removeSurplus(user, mostRemembered, forgottenAtOnce);
      const others = store.ofUser(user);
      const [next] = others;
      if (next !== undefined && others.length >= maxScheduled) {
        const wait = next.started + next.delay - clock.now();
        throw limitExceeded(wait, `At most ${maxScheduled} events of a user wait to be sent`);
      }
      const id = randomToken(random, 18);
      const stateKey = draft.stateKey ?? null;
      store.insert({ id, user, room: room.nid, type: draft.type, stateKey, content, delay, txn, started: clock.now() });
      db.afterCommit(() => this.#schedule());
      return id;
    });
  }

  /** Needs no login: the ID is the secret. 404 M_NOT_FOUND · 409 M_UNKNOWN it has ended in another way */
  async manage(id: string, action: DelayedAction): Promise<void> {
    const { db, store, clock } = this.#uses;
    if (action === 'send') return this.#sendNow(id);
    await db.durable<void>(() => {
      const row = this.#existing(id);
      if (action === 'cancel' && (row.status === 'cancelled' || row.status === 'failed')) return;
      checkScheduled(row);
      if (action === 'cancel') store.end(id, { status: 'cancelled', ts: clock.now() });
      else store.restart(id, clock.now(), row.delay);
    });
    this.#schedule();
  }

  /** The requester's events that are still to be sent, the next first. */
  list(requester: Requester): JsonObject[] {
    return this.#uses.store.ofUser(requester.user).map((row) => this.#show(row));
  }

  /** One of the requester's, ended or not. 404 M_NOT_FOUND */
  get(requester: Requester, id: string): JsonObject {
    const row = this.#existing(id);
    if (row.user !== requester.user) throw unknownId();
    return this.#show(row);
  }

  /** Inside a write: what others wanted to say later of the same entry of the state is out of date. */
  onEvent({ row, pdu }: CommittedEvent): void {
    const { store, clock } = this.#uses;
    if (row.stateKey === null) return;
    for (const id of store.ofOthersForState(row.room, pdu.type, pdu.state_key ?? '', row.sender)) {
      store.end(id, { status: 'cancelled', ts: clock.now() });
    }
  }

  async #sendNow(id: string): Promise<void> {
    const row = this.#existing(id);
    if (row.status === 'sent') return;
    checkScheduled(row);
    await this.#send(row);
  }

  #existing(id: string): DelayedEventRow {
    const row = this.#uses.store.find(id);
    if (row === undefined) throw unknownId();
    return row;
  }

  /** Sends one, unless it has ended meanwhile. Refused, it stays scheduled: what is in its way may be gone by then. */
  async #send({ id }: DelayedEventRow): Promise<void> {
    const { db, store, clock, interning } = this.#uses;
    const due = store.find(id);
    if (due?.status !== 'scheduled') return;
    const what = this.#draftOf(due);
    const signed = await this.#uses.sending.recommended(what.sender, what.room, what.draft);
    await db.durable<void>(() => {
      const row = store.find(id);
      if (row?.status !== 'scheduled') return;
      const event = interning.event(this.#append(row, signed));
      store.end(id, { status: 'sent', ts: clock.now(), event });
    });
  }

  /** Sends one whose time has come: a refusal ends it. */
  async #sendOnTime(row: DelayedEventRow): Promise<void> {
    const { db, store, clock, log } = this.#uses;
    try {
      await this.#send(row);
    } catch (error) {
      // What is our own fault passes.
      if (!(error instanceof MatrixError) || error.status >= 500) throw error;
      log.debug('delayed_event.refused', { cause: error });
      const refusal = { errcode: error.errcode, error: error.message };
      await db.durable<void>(() => {
        if (store.find(row.id)?.status === 'scheduled') {
          store.end(row.id, { status: 'failed', ts: clock.now(), refusal });
        }
      });
    }
  }

  #append(row: DelayedEventRow, signed: LocalEvent | undefined) {
    const { sending } = this.#uses;
    const { sender, room, draft } = this.#draftOf(row);
    const { stateKey } = draft;
    return stateKey === undefined
      ? sending.append(sender, room, draft, signed)
      : sending.appendState(sender, room, { ...draft, stateKey }, { signed });
  }

  #draftOf({ user, room, type, stateKey, content }: DelayedEventRow) {
    const { senderOf, rooms, interning } = this.#uses;
    const sender = senderOf(user);
    if (sender === undefined) throw new MatrixError(403, 'M_FORBIDDEN', 'The account is closed or locked');
    const said = { type, content: JSON.parse(content) as JsonObject };
    const draft: EventDraft = stateKey === null ? said : { ...said, stateKey };
    return { sender, room: rooms.getForMember(interning.roomId(room)), draft };
  }

  #schedule(atLeast = 0): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const next = this.#stopped || this.#sending ? undefined : this.#uses.store.nextDue();
    if (next === undefined) return;
    const { clock } = this.#uses;
    const delay = millis(Math.min(longestTimer, Math.max(atLeast, next - clock.now())));
    this.#cancelTimer = clock.after(delay, () => {
      this.#sending = this.#sendDue()
        .then(
          () => 0,
          (error: unknown) => {
            this.#uses.log.error('delayed_event.failed', { cause: error });
            return afterFailure;
          },
        )
        .then((pause) => {
          this.#sending = undefined;
          this.#schedule(pause);
        });
    });
  }

  async #sendDue(): Promise<void> {
    const { store, clock } = this.#uses;
    for (const row of store.due(clock.now(), sentAtOnce)) {
      if (this.#stopped) return;
      await this.#sendOnTime(row);
    }
  }

  #show(row: DelayedEventRow): JsonObject {
    const { interning } = this.#uses;
    const { id, room, type, stateKey, content, delay, started, status } = row;
    const ended = this.#endOf(row);
    return {
      delay_id: id,
      room_id: interning.roomId(room),
      type,
      ...(stateKey === null ? {} : { state_key: stateKey }),
      content: JSON.parse(content) as JsonObject,
      delay_ms: delay,
      scheduled_at: started,
      // The names of before and after: clients in use look for different ones.
      delay,
      running_since: started,
      delayed_since_ts: started,
      ...(ended === undefined ? {} : { ...ended, finalised: ended, outcome: outcomes[status] }),
    };
  }

  /** `undefined` for one that is still to be sent. */
  #endOf({ ended, event, errcode, error }: DelayedEventRow): JsonObject | undefined {
    if (ended === null) return undefined;
    return {
      finalised_ts: ended,
      ...(event === null ? {} : { event_id: this.#uses.interning.eventId(event) }),
      ...(errcode === null ? {} : { error: { errcode, error: error ?? '' } }),
    };
  }
}

const outcomes: { readonly [Status in DelayedStatus]: string } = {
  scheduled: 'scheduled',
  sent: 'send',
  cancelled: 'cancel',
  failed: 'cancel',
};

function checkScheduled({ status }: DelayedEventRow): void {
  if (status !== 'scheduled') throw new MatrixError(409, 'M_UNKNOWN', `This delayed event was ${status} already`);
}

const unknownId = () => notFound('There is no such delayed event');

/** Clients of the older form look for its error, and ask for less. */
const delayTooLong = (max: Millis, isOlderForm: boolean) =>
  new MatrixError(
    isOlderForm ? 400 : 403,
    isOlderForm ? 'M_UNKNOWN' : 'M_FORBIDDEN',
    `An event can be delayed by ${max} milliseconds at most`,
    { fields: { 'org.matrix.msc4140.errcode': 'M_MAX_DELAY_EXCEEDED', 'org.matrix.msc4140.max_delay': max } },
  );
