import type { AuthEvent } from '../../protocol/event-auth/types.ts';
import type { Pdu } from '../../protocol/events/pdu.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import { type EventRow, pointBefore } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import { eventFlags } from '../../store/events/flags.ts';
import type { EventNid, StatePoint, StreamPos } from '../../store/nids.ts';
import type { PartialRooms } from '../../store/rooms/partial-rooms.ts';
import type { Clock } from '../../util/clock.ts';
import type { Log } from '../../util/log.ts';
import type { EventRemoval } from '../input/event-removal.ts';
import type { RedactionEffects } from '../input/redaction-effects.ts';
import type { KnownRoom } from '../known-rooms.ts';
import { type StateSources, stateAt } from '../state/current-state.ts';
import { LargeConflict, type StateEngine } from '../state/state-engine.ts';
import type { AuthJudge } from './auth-judge.ts';
import type { Judging } from './judging.ts';
import type { VerifiedEvent } from './verify.ts';

export interface RevisitingUses extends StateSources {
  readonly db: Database;
  readonly events: EventStore;
  readonly partialRooms: PartialRooms;
  readonly stateEngine: StateEngine;
  readonly judge: AuthJudge;
  readonly judging: Judging;
  readonly removal: EventRemoval;
  readonly redactions: RedactionEffects;
  readonly serverName: ServerName;
  readonly clock: Clock;
  readonly log: Log;
}

/** Gone through in one write, which ends before if that takes long: to take an event out of its room does. */
const together = 25;
const longestWrite = 15;

/**
 * Goes again through what was decided about a room while its members were missing, now that they are here: each event
 * in the order in which it came, in the state before it as it is known now.
 */
export class Revisiting {
  readonly #uses: RevisitingUses;

  constructor(uses: RevisitingUses) {
    this.#uses = uses;
  }

  /**
   * In the room's lane. What was found out from states that were incomplete counts no more. Before the first of the
   * events is gone through.
   */
  begin(room: KnownRoom): void {
    const { db, stateEngine } = this.#uses;
    db.write<void>(() => stateEngine.forgetResolved(room.nid));
  }

  /** Goes through some of them, in a write. False: there are no more. */
  some(room: KnownRoom): boolean {
    const { db, partialRooms, clock } = this.#uses;
    return db.write<boolean>(() => {
      const end = clock.monotonic() + longestWrite;
      const events = partialRooms.events(room.nid, together);
      for (const { nr, event } of events) {
        this.#try(room, event);
        partialRooms.dropEvent(room.nid, nr);
        if (clock.monotonic() > end) break;
      }
      return events.length > 0;
    });
  }

  /** In a savepoint: an event that we fail at stays what it is, and does not keep the room from being complete. */
  #try(room: KnownRoom, nid: EventNid): void {
    const { db, log, interning } = this.#uses;
    try {
      db.write<void>(() => this.#one(room, nid));
    } catch (error) {
      log.error('rooms.not_revisited', { room: room.roomId, event: interning.eventId(nid), error });
    }
  }

  #one(room: KnownRoom, nid: EventNid): void {
    const { events } = this.#uses;
    const row = events.row(nid);
    // Purged meanwhile.
    if (row === undefined) return;
    events.setFlags(nid, 0, eventFlags.PARTIAL_AUTH);
    if ((row.flags & eventFlags.REJECTED) !== 0) this.#rejected(room, nid, row);
    else this.#accepted(room, row);
  }

  /** It may have been for want of a member who is here by now. */
  #rejected(room: KnownRoom, nid: EventNid, row: EventRow): void {
    const { log } = this.#uses;
    const event = this.#read(nid, row);
    const outcome = this.#decide(room, event);
    if (outcome === 'accepted') log.info('rooms.accepted_late', { room: room.roomId, event: event.eventId });
  }

  #decide(room: KnownRoom, event: VerifiedEvent): string {
    try {
      return this.#uses.judging.decide(room, event, { isFinal: true }).outcome;
    } catch (error) {
      // Too much to be resolved for its sake: it stays what it is.
      if (error instanceof LargeConflict) return 'rejected';
      throw error;
    }
  }

  #accepted(room: KnownRoom, row: EventRow): void {
    const { judge, stateEngine, events, interning, redactions, log } = this.#uses;
    const { nid } = row;
    const before = this.#before(room, row);
    // Without a known state before it, nothing more can be said than when it came.
    if (before === undefined) return;
    const event = { eventId: interning.eventId(nid), pdu: events.pdu(nid) as Pdu, canonical: '' };
    const asAuth = judge.asAuthEvent(event, nid);
    const byOwn = judge.byAuthEvents(room, asAuth);
    const verdict = byOwn.allowed ? judge.inState(room.rules, asAuth, stateAt(this.#uses, before)) : byOwn;
    if (!verdict.allowed) {
      this.#uses.removal.takeOut(room, row, { outcome: 'rejected', before });
      log.info('rooms.rejected_late', { room: room.roomId, event: event.eventId, reason: verdict.reason });
      return;
    }
    if (!stateEngine.isSame(before, pointBefore(row))) stateEngine.move(room, row, before);
    const reason = this.#softFailure(room, row, asAuth);
    if (reason !== undefined) {
      const after = row.stateKey === null ? undefined : stateEngine.stateAfter(nid);
      this.#uses.removal.takeOut(room, row, { outcome: 'soft-failed', before, after });
      log.info('rooms.soft_failed_late', { room: room.roomId, event: event.eventId, reason });
    } else redactions.review({ ...event, row: { ...row, line: before.line, linePos: before.pos }, rules: room.rules });
  }

  /**
   * Why another server's event would not have been shown when it came, had the room's members been known: by the state
   * that the room had then.
   */
  #softFailure(room: KnownRoom, row: EventRow, asAuth: AuthEvent<EventNid>): string | undefined {
    const { interning, serverName, partialRooms, judge } = this.#uses;
    const isOurs = interning.userServer(row.sender) === interning.findServer(serverName);
    const line = partialRooms.find(room.nid)?.line;
    if (row.pos === null || isOurs || line === undefined) return undefined;
    const then: StatePoint = { line, pos: (row.pos - 1) as StreamPos };
    const verdict = judge.inDoubtfulState(room.rules, asAuth, stateAt(this.#uses, then));
    return verdict.allowed ? undefined : `By the current state: ${verdict.reason}`;
  }

  /** The state before an event as it is known now. */
  #before(room: KnownRoom, row: EventRow): StatePoint | undefined {
    const { events, stateEngine } = this.#uses;
    const parents = events.parents(row.nid);
    try {
      return (parents.length === 0 ? undefined : stateEngine.stateBefore(room, parents)) ?? pointBefore(row);
    } catch (error) {
      // Too much to be resolved again for the sake of the past: what was found out then is kept.
      if (error instanceof LargeConflict) return pointBefore(row);
      throw error;
    }
  }

  #read(nid: EventNid, { flags }: EventRow): VerifiedEvent {
    const { events, interning } = this.#uses;
    const canonical = events.canonical(nid);
    const redacted = (flags & eventFlags.REDACTED) !== 0;
    return { pdu: JSON.parse(canonical) as Pdu, eventId: interning.eventId(nid), canonical, redacted };
  }
}
