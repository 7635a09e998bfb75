import type { EventRow } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { UserNid } from '../../store/nids.ts';
import type { ThreadStore } from '../../store/relations/threads.ts';
import type { Boundary } from '../../store/timeline.ts';
import type { Requester } from '../../users/login/requester.ts';
import type { ClientEvents, EventAudience } from '../read/client-events.ts';
import type { Opened, RoomReading } from '../read/reading.ts';
import type { RoomTokens } from '../read/tokens.ts';
import type { Bundles } from './bundles.ts';

export interface ThreadListUses {
  readonly events: EventStore;
  readonly threads: ThreadStore;
  readonly reading: RoomReading;
  readonly tokens: RoomTokens;
  readonly bundles: Bundles;
  readonly clientEvents: ClientEvents;
  /** Whom a user ignores. */
  readonly ignored: (user: UserNid) => ReadonlySet<UserNid>;
}

export interface ThreadsQuery {
  readonly include: 'all' | 'participated';
  readonly from?: string | undefined;
  readonly limit?: number | undefined;
}

const defaultThreads = 20;
const maxThreads = 100;
/** Threads looked at for one answer, most of which are not what was asked for; the client goes on from there. */
const maxLooks = 500;

const behindAll: Boundary = { segment: Number.MAX_SAFE_INTEGER, idx: Number.MAX_SAFE_INTEGER };

/** Lists the threads of a room, as far as its history is here: other servers are asked for more by `/messages` only. */
export class ThreadList {
  readonly #uses: ThreadListUses;

  constructor(uses: ThreadListUses) {
    this.#uses = uses;
  }

  /**
   * Roots of threads as JSON text in pieces, `{ chunk, next_batch? }`, by the newest event of each thread.
   * 403 M_FORBIDDEN the requester may not read the room · 400 M_INVALID_PARAM for tokens, at once
   * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomsroomidthreads
   */
  list(requester: Requester, roomId: string, query: ThreadsQuery): Generator<string> {
    const { reading, tokens } = this.#uses;
    const opened = reading.open(requester, roomId);
    const { nid } = opened.room;
    const from = query.from === undefined ? behindAll : tokens.boundary('from', query.from, nid);
    const limit = Math.min(query.limit ?? defaultThreads, maxThreads);
    const audience = reading.audience(opened, requester);
    const { shown, next } = this.#search(opened, audience, { from, limit, include: query.include });
    return this.#write(shown, next && tokens.text(next));
  }

  /** Each root together with the audience that has its aggregations. */
  #search(
    { room, view }: Opened,
    audience: EventAudience,
    { from, limit, include }: { from: Boundary; limit: number; include: 'all' | 'participated' },
  ) {
    const { events, threads, bundles } = this.#uses;
    const hidden = this.#uses.ignored(view.user);
    const shown: { readonly row: EventRow; readonly audience: EventAudience }[] = [];
    let at: Boundary | undefined = from;
    for (let looks = 0; at !== undefined && looks < maxLooks; ) {
      const page = threads.page(room.nid, at, Math.min(limit + 1, maxLooks - looks));
      const roots = new Map(events.rows(page.map(({ root }) => root)).map((row) => [row.nid, row]));
      for (const thread of page) {
        if (shown.length === limit) return { shown, next: at };
        looks++;
        at = { segment: thread.segment, idx: thread.idx - 1 };
        const row = roots.get(thread.root);
        if (row === undefined || !view.mayRead(row)) continue;
        if (include === 'participated' && !bundles.hasParticipated(row, view.user)) continue;
        if (bundles.isThread(row, audience))
          shown.push({ row, audience: bundles.with([row], { ...audience, hidden }) });
      }
      if (page.length === 0) at = undefined;
    }
    return { shown, next: at };
  }

  *#write(
    shown: readonly { readonly row: EventRow; readonly audience: EventAudience }[],
    next: string | undefined,
  ): Generator<string> {
    yield '{"chunk":[';
    let separator = '';
    for (const { row, audience } of shown) {
      yield separator + this.#uses.clientEvents.text(row, audience);
      separator = ',';
    }
    yield next === undefined ? ']}' : `],"next_batch":${JSON.stringify(next)}}`;
  }
}
