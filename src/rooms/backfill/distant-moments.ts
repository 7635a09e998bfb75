import { MatrixError } from '../../protocol/errors.ts';
import { parseEventId } from '../../protocol/ids/event-id.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import type { EventRow } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { MomentStore } from '../../store/rooms/moments.ts';
import type { Timeline } from '../../store/timeline.ts';
import type { Requester } from '../../users/login/requester.ts';
import type { MomentQuery, Moments } from '../read/moments.ts';
import type { Opened, RoomReading } from '../read/reading.ts';
import type { DistantEvents } from './distant-events.ts';
import type { Edges } from './edges.ts';
import type { HistoryServers } from './history-servers.ts';
import type { RemoteHistory } from './remote-history.ts';

export interface DistantMomentsUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly timeline: Timeline;
  readonly momentStore: MomentStore;
  readonly moments: Moments;
  readonly reading: RoomReading;
  readonly edges: Edges;
  readonly servers: HistoryServers;
  readonly remote: RemoteHistory;
  readonly distantEvents: DistantEvents;
}

/** Servers that are asked for one moment. */
const maxServers = 3;

/** Finds events by time also where the history is not here. */
export class DistantMoments {
  readonly #uses: DistantMomentsUses;

  constructor(uses: DistantMomentsUses) {
    this.#uses = uses;
  }

  /**
   * The event closest to a time, not before (`f`) or not after (`b`) it, that the requester may see. Where the known
   * history ends between it and the time, others are asked. 403 M_FORBIDDEN · 404 M_NOT_FOUND
   * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomsroomidtimestamp_to_event
   */
  async find(requester: Requester, roomId: string, query: MomentQuery) {
    const { interning, moments, reading } = this.#uses;
    const opened = reading.open(requester, roomId);
    const find = () => answerOf(() => moments.find(requester, roomId, query));
    const local = find();
    const known = local instanceof MatrixError ? undefined : this.#row(local.event_id);
    if (!this.#mayBeCloser(opened, known, query)) return given(local);
    for (const server of this.#servers(opened)) {
      const row = await this.#ask(requester, opened, server, query);
      if (row === undefined || (known !== undefined && !isCloser(row, known, query))) continue;
      return { event_id: interning.eventId(row.nid), origin_server_ts: row.ts };
    }
    // What was fetched on the way may be closer all the same.
    return given(find());
  }

  #row(eventId: string): EventRow | undefined {
    const nid = this.#uses.interning.findEvent(eventId);
    return nid === undefined ? undefined : this.#uses.events.row(nid);
  }

  /** Whether the history is not known between the event found here and the time. */
  #mayBeCloser({ room }: Opened, known: EventRow | undefined, { direction }: MomentQuery): boolean {
    const { edges, momentStore, timeline } = this.#uses;
    if (known === undefined) {
      const [oldest] = momentStore.segments(room.nid);
      return direction === 'b' && oldest !== undefined && edges.isOpen(oldest, 'b');
    }
    const { segment, idx } = known;
    if (segment === null || idx === null) return false;
    const towards = direction === 'f' ? 'b' : 'f';
    const next = timeline.page(segment, direction === 'f' ? idx - 1 : idx, towards, 1);
    return next.events.length === 0 && edges.isOpen(segment, towards);
  }

  #servers({ room }: Opened): ServerName[] {
    const newest = this.#uses.timeline.newest(room.nid, 20).events.map(({ event }) => event);
    return this.#uses.servers.likely(room.nid, newest).slice(0, maxServers);
  }

  /** What a server names counts if it is here in the end, and is what it should be. */
  async #ask(
    requester: Requester,
    { room, view }: Opened,
    server: ServerName,
    { ts, direction }: MomentQuery,
  ): Promise<EventRow | undefined> {
    const said = await this.#uses.remote.eventAt(server, room.roomId, ts, direction);
    const eventId = typeof said === 'string' ? parseEventId(said) : undefined;
    if (eventId === undefined) return undefined;
    await this.#uses.distantEvents.bring(requester, room.roomId, eventId);
    const row = this.#row(eventId);
    if (row?.room !== room.nid || !view.mayRead(row)) return undefined;
    return (direction === 'f' ? row.ts >= ts : row.ts <= ts) ? row : undefined;
  }
}

function isCloser(row: EventRow, than: EventRow, { ts }: MomentQuery): boolean {
  return Math.abs(row.ts - ts) < Math.abs(than.ts - ts);
}

function answerOf<T>(find: () => T): T | MatrixError {
  try {
    return find();
  } catch (error) {
    if (error instanceof MatrixError && error.status === 404) return error;
    throw error;
  }
}

function given<T>(answer: T | MatrixError): T {
  if (answer instanceof MatrixError) throw answer;
  return answer;
}
