import { notFound } from '../../../protocol/errors.ts';
import type { Pdu } from '../../../protocol/events/pdu.ts';
import { refIds } from '../../../protocol/events/pdu.ts';
import type { ServerName } from '../../../protocol/ids/types.ts';
import { type EventRow, pointBefore } from '../../../store/events/event-row.ts';
import type { EventStore } from '../../../store/events/event-store.ts';
import { eventFlags, isAccepted } from '../../../store/events/flags.ts';
import type { Interning } from '../../../store/interning/interning.ts';
import { wellKnown } from '../../../store/interning/well-known.ts';
import type { EventNid, StatePoint } from '../../../store/nids.ts';
import type { RoomStateStore } from '../../../store/state/room-state-store.ts';
import type { Clock } from '../../../util/clock.ts';
import type { KnownRoom, KnownRooms } from '../../known-rooms.ts';
import type { MomentQuery, Moments } from '../../read/moments.ts';
import type { ServerView, ServerVisibility } from '../server-visibility.ts';
import type { StateAnswers } from '../state-answers.ts';
import type { AskedRooms } from './asked-rooms.ts';
import { GraphWalks } from './graph-walks.ts';
import { jsonArray, jsonObject } from './pieces.ts';

export interface HistoryAnswersUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly roomState: RoomStateStore;
  readonly rooms: KnownRooms;
  readonly asked: AskedRooms;
  readonly visibility: ServerVisibility;
  readonly stateAnswers: StateAnswers;
  readonly moments: Moments;
  readonly clock: Clock;
  readonly serverName: ServerName;
}

/** Events written at once. */
const pageSize = 10;

/** Events that a server that is in the room asks for by name, or as what came before others. */
export class HistoryAnswers {
  readonly #uses: HistoryAnswersUses;
  readonly #walks: GraphWalks;

  constructor(uses: HistoryAnswersUses) {
    this.#uses = uses;
    this.#walks = new GraphWalks(uses.events);
  }

  /** A transaction with one event. 404 M_NOT_FOUND not known or rejected · 403 M_FORBIDDEN not in the event's room */
  event(origin: ServerName, eventId: string): AsyncIterable<string> {
    const { events, interning, rooms, asked } = this.#uses;
    const nid = interning.findEvent(eventId);
    const row = nid === undefined ? undefined : events.row(nid);
    const room = row && rooms.find(interning.roomId(row.room));
    if (row === undefined || room === undefined || (row.flags & eventFlags.REJECTED) !== 0) throw unknownEvent();
    asked.requireListener(origin, room, [row.nid]);
    return this.#transaction(this.#view(origin, room), [row]);
  }

  /** A transaction with events and what came before them, newest first. 403 M_FORBIDDEN · 404 M_NOT_FOUND */
  backfill(origin: ServerName, roomId: string, from: readonly string[], limit: number): AsyncIterable<string> {
    const known = this.#known(from);
    const room = this.#uses.asked.forListener(origin, roomId, known);
    const rows = this.#walks.before(room.nid, known, limit);
    return this.#transaction(this.#view(origin, room), rows);
  }

  /** `{ events }` between those that the server has and those that it has heard of. 403 M_FORBIDDEN · 404 M_NOT_FOUND */
  missing(
    origin: ServerName,
    roomId: string,
    range: { readonly latest: readonly string[]; readonly earliest: readonly string[]; readonly minDepth: number },
    limit: number,
  ): AsyncIterable<string> {
    const latest = this.#known(range.latest);
    const room = this.#uses.asked.forListener(origin, roomId, latest);
    const earliest = this.#known(range.earliest);
    const rows = this.#walks.between(room.nid, { latest, earliest, minDepth: range.minDepth }, limit);
    return jsonObject([['events', jsonArray(pages(this.#view(origin, room), rows))]]);
  }

  /** The event closest to a time that the server may see. 403 M_FORBIDDEN · 404 M_NOT_FOUND */
  atTime(origin: ServerName, roomId: string, query: MomentQuery) {
    const room = this.#uses.asked.forMember(origin, roomId);
    const view = this.#view(origin, room);
    return this.#uses.moments.closest(room.nid, query, (row) => isAccepted(row.flags) && view.mayRead(row));
  }

  /**
   * The state before an event. 403 M_FORBIDDEN, ORG.MATRIX.MSC3895_UNABLE_DUE_TO_PARTIAL_STATE · 404 M_NOT_FOUND no such
   * event here, or its state is not known
   */
  stateBefore(origin: ServerName, roomId: string, eventId: string): StatePoint {
    const room = this.#uses.asked.forMemberOfWhole(origin, roomId);
    const before = pointBefore(this.#eventOf(room, eventId));
    if (before === undefined) throw notFound('The state at this event is not known here');
    return before;
  }

  /** `{ auth_chain }` of an event. 403 M_FORBIDDEN · 404 M_NOT_FOUND */
  authChain(origin: ServerName, roomId: string, eventId: string): AsyncIterable<string> {
    const room = this.#uses.asked.forListener(origin, roomId, this.#known([eventId]));
    return this.#uses.stateAnswers.authChain(this.#authEvents(room, this.#eventOf(room, eventId)));
  }

  /** Those that the event cites, with the create event also where it need not be cited. */
  #authEvents(room: KnownRoom, { nid }: EventRow): EventNid[] {
    const { events, roomState } = this.#uses;
    const pdu = events.unsealed(nid) as Pdu;
    const cited = this.#known(refIds(pdu.auth_events));
    const create = roomState.current(room.nid, wellKnown.stateKeys.create);
    return create === undefined || create === nid ? cited : [...new Set([...cited, create])];
  }

  #eventOf(room: KnownRoom, eventId: string): EventRow {
    const [nid] = this.#known([eventId]);
    const row = nid === undefined ? undefined : this.#uses.events.row(nid);
    if (row?.room !== room.nid) throw unknownEvent();
    return row;
  }

  #known(eventIds: readonly string[]): EventNid[] {
    return eventIds.map((id) => this.#uses.interning.findEvent(id)).filter((nid) => nid !== undefined);
  }

  #view(origin: ServerName, room: KnownRoom): ServerView {
    return this.#uses.visibility.forServer(room, origin);
  }

  #transaction(view: ServerView, rows: readonly EventRow[]): AsyncIterable<string> {
    return jsonObject([
      ['origin', JSON.stringify(this.#uses.serverName)],
      ['origin_server_ts', `${this.#uses.clock.now()}`],
      ['pdus', jsonArray(pages(view, rows))],
    ]);
  }
}

const unknownEvent = () => notFound('This event is not known here');

function* pages(view: ServerView, rows: readonly EventRow[]): Generator<string[]> {
  for (let at = 0; at < rows.length; at += pageSize) yield view.texts(rows.slice(at, at + pageSize));
}
