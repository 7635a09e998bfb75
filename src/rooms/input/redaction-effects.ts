import { canonicalJson } from '../../protocol/canonical-json.ts';
import { PowerLevels } from '../../protocol/event-auth/power-levels.ts';
import type { StateLookup } from '../../protocol/event-auth/types.ts';
import { redactsOf } from '../../protocol/events/client-event.ts';
import type { Pdu } from '../../protocol/events/pdu.ts';
import { type EventLike, redact } from '../../protocol/events/redact.ts';
import { canonicalForm } from '../../protocol/events/texts.ts';
import type { EventId } from '../../protocol/ids/types.ts';
import { parseExactJson } from '../../protocol/parse-json.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import type { Database } from '../../store/db.ts';
import { type EventRow, pointBefore } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import { eventFlags, isAccepted } from '../../store/events/flags.ts';
import { wellKnown } from '../../store/interning/well-known.ts';
import type { EventNid } from '../../store/nids.ts';
import type { RedactionStore } from '../../store/rooms/redactions.ts';
import type { JsonObject } from '../../util/json.ts';
import type { ClientEvents } from '../read/client-events.ts';
import type { RelationIndex } from '../relations/relation-index.ts';
import { type StateSources, stateAt } from '../state/current-state.ts';
import type { EventObservers } from './event-observers.ts';
import type { CommittedEvent } from './observer.ts';

export interface RedactionUses extends StateSources {
  readonly db: Database;
  readonly events: EventStore;
  readonly redactions: RedactionStore;
  readonly clientEvents: ClientEvents;
  readonly relationIndex: RelationIndex;
  readonly observers: EventObservers;
}

/** Applies redactions, whichever of the two events comes first. Inside a write. */
export class RedactionEffects {
  readonly #uses: RedactionUses;

  constructor(uses: RedactionUses) {
    this.#uses = uses;
  }

  /** What the arrival of an accepted event redacts: its target, or itself if its redaction came first. */
  apply({ row, rules }: CommittedEvent, targetId: EventId | undefined): void {
    const { interning, events, redactions } = this.#uses;
    this.#applyWaiting(row, rules);
    if (targetId === undefined) return;
    const nid = interning.event(targetId);
    const target = events.row(nid);
    if (target === undefined) redactions.defer(nid, row.nid);
    else this.#redact(target, row, rules);
  }

  /** The event, which may be a redaction, has no place in the room any more: what it has done is undone. */
  takeBack({ row, pdu, rules }: CommittedEvent): void {
    const target = this.#targetOf(pdu, rules);
    if (target === undefined) return;
    this.#uses.redactions.drop(target.nid, row.nid);
    if (target.row !== undefined) this.#undo(target.row, row, rules);
  }

  /**
   * It is known by now which state a redaction has before it: what it was thought to be allowed is for good or is undone,
   * and what it was not thought to be allowed is done.
   */
  review({ row, pdu, rules }: CommittedEvent): void {
    const { row: target } = this.#targetOf(pdu, rules) ?? {};
    if (target === undefined) return;
    const { redactions } = this.#uses;
    if (redactions.of(target.nid) !== row.nid) this.#redact(target, row, rules);
    else if (!this.#mayRedact(target, row, rules)) this.#undo(target, row, rules);
    else {
      redactions.letGo(target.room, target.nid);
      redactions.take(target.nid);
    }
  }

  #targetOf(
    pdu: Pdu,
    rules: RoomVersionRules,
  ): { readonly nid: EventNid; readonly row: EventRow | undefined } | undefined {
    const { interning, events } = this.#uses;
    const targetId = redactsOf(pdu, rules);
    const nid = targetId === undefined ? undefined : interning.findEvent(targetId);
    return nid === undefined ? undefined : { nid, row: events.row(nid) };
  }

  /** Redactions that came before their target, or for which it was not the time. */
  #applyWaiting(target: EventRow, rules: RoomVersionRules): void {
    const { events, redactions } = this.#uses;
    for (const waiting of redactions.take(target.nid)) {
      const redaction = events.row(waiting);
      const now = redaction === undefined ? undefined : events.row(target.nid);
      if (redaction !== undefined && now !== undefined) this.#redact(now, redaction, rules);
    }
  }

  /** If what the target said was kept. Then it may be another's turn to redact it. */
  #undo(redacted: EventRow, redaction: EventRow, rules: RoomVersionRules): void {
    const { events, redactions, relationIndex, observers, interning, db } = this.#uses;
    const { room, nid } = redacted;
    const canonical = redactions.held(room, nid);
    if (canonical === undefined || redactions.of(nid) !== redaction.nid) return;
    redactions.remove(nid);
    redactions.letGo(room, nid);
    events.replaceBody(nid, canonical);
    events.setFlags(nid, 0, eventFlags.REDACTED);
    const row = { ...redacted, flags: redacted.flags & ~eventFlags.REDACTED };
    const pdu = JSON.parse(canonical) as Pdu;
    this.forget(row);
    db.afterRollback(() => this.forget(row));
    if (row.segment !== null) {
      relationIndex.add(row, pdu.content);
      observers.onUnredacted({ row, rules, pdu, canonical, eventId: interning.eventId(nid) });
    }
    this.#applyWaiting(row, rules);
  }

  /** Drops what is remembered of an event outside of the database. */
  forget(row: EventRow): void {
    this.#uses.authEvents.forget(row.nid);
    this.#uses.clientEvents.forget(row);
  }

  #redact(target: EventRow, redaction: EventRow, rules: RoomVersionRules): void {
    const { db, events, redactions, relationIndex, observers } = this.#uses;
    if (target.room !== redaction.room || !isAccepted(redaction.flags)) return;
    if ((target.flags & eventFlags.REDACTED) !== 0) {
      // It may be undone.
      if (redactions.held(target.room, target.nid) !== undefined) redactions.defer(target.nid, redaction.nid);
      return;
    }
    if (!this.#mayRedact(target, redaction, rules)) return;
    const canonical = events.canonical(target.nid);
    if ((redaction.flags & eventFlags.PARTIAL_AUTH) !== 0) redactions.hold(target.room, target.nid, canonical);
    // Read exactly: what is left of an event of room versions 1 to 5 may hold numbers that a double would change.
    const exact = parseExactJson(canonical) as EventLike;
    events.replaceBody(target.nid, canonicalJson(redact(exact, rules), canonicalForm(rules)));
    events.setFlags(target.nid, eventFlags.REDACTED, 0);
    redactions.apply(target.nid, redaction.nid);
    relationIndex.remove(target, exact['content'] as JsonObject);
    observers.onRedacted(target);
    this.forget(target);
    db.afterRollback(() => this.forget(target));
  }

  /**
   * Up to room version 2 the auth rules have decided. Later the redaction's sender needs the power to redact, or
   * shares the server of the target's sender.
   * @see https://spec.matrix.org/v1.19/rooms/v3/#handling-redactions
   */
  #mayRedact(target: EventRow, redaction: EventRow, rules: RoomVersionRules): boolean {
    if (rules.redactionAuthRule) return true;
    const { interning } = this.#uses;
    if (interning.userServer(target.sender) === interning.userServer(redaction.sender)) return true;
    const levels = PowerLevels.of(rules, this.#stateBefore(redaction));
    return levels.userLevel(interning.userId(redaction.sender)) >= levels.level('redact');
  }

  /** Of one that came by backfill, what its auth events say. */
  #stateBefore(redaction: EventRow): StateLookup<EventNid> {
    const { authEvents, roomState } = this.#uses;
    const point = pointBefore(redaction);
    if (point !== undefined) return stateAt(this.#uses, point);
    const cited = authEvents.get(redaction.nid).authEvents.map((nid) => authEvents.get(nid));
    const create = roomState.current(redaction.room, wellKnown.stateKeys.create);
    return (type, stateKey) => {
      if (type === 'm.room.create' && create !== undefined) return authEvents.get(create);
      return cited.find((event) => event.type === type && event.stateKey === stateKey);
    };
  }
}
