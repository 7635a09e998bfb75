import { invalidParam } from '../../protocol/errors.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { RoomNid, StreamPos } from '../../store/nids.ts';
import type { BoundaryStore } from '../../store/rooms/boundaries.ts';
import type { HistoryFloors } from '../../store/thinning/history-floors.ts';
import type { Boundary, Timeline } from '../../store/timeline.ts';
import type { Streams } from '../../streams/streams.ts';
import { pageToken, parseToken, type Token, tokenAge } from '../../streams/tokens.ts';

/** Pagination tokens, of either form, as places in one room. */
export class RoomTokens {
  readonly #streams: Streams;
  readonly #timeline: Timeline;
  readonly #boundaries: BoundaryStore;
  readonly #events: EventStore;
  readonly #historyFloors: HistoryFloors;

  constructor(uses: {
    readonly streams: Streams;
    readonly timeline: Timeline;
    readonly boundaries: BoundaryStore;
    readonly events: EventStore;
    readonly historyFloors: HistoryFloors;
  }) {
    this.#streams = uses.streams;
    this.#timeline = uses.timeline;
    this.#boundaries = uses.boundaries;
    this.#events = uses.events;
    this.#historyFloors = uses.historyFloors;
  }

  /** A boundary as a token. */
  text({ segment, idx }: Boundary): string {
    return pageToken(this.#streams.epoch, segment, idx);
  }

  /** The place in the room's order that a token means. 400 M_INVALID_PARAM for what is no token of this server. */
  boundary(name: string, text: string, room: RoomNid): Boundary {
    const token = this.#parse(name, text);
    if (token.kind === 'page') {
      const floor = this.#historyFloors.of(room);
      const of = this.#boundaries.roomOf(token.segment);
      // It lies in a stretch of history that has been deleted.
      if (of === undefined && floor !== undefined && token.segment < floor.segment) return floor;
      if (of !== room) throw invalidParam(`${name} is a token of another room`);
      return { segment: token.segment, idx: token.idx };
    }
    const boundary = this.#boundaries.at(room, token.pos);
    if (boundary === undefined) throw invalidParam(`The room has no history for ${name}`);
    return boundary;
  }

  /** The position that a token means; `undefined` before the first live event. 400 M_INVALID_PARAM */
  position(name: string, text: string, room: RoomNid): StreamPos | undefined {
    const token = this.#parse(name, text);
    if (token.kind === 'sync') return token.pos;
    const { segment, idx } = this.boundary(name, text, room);
    const event = this.#timeline.page(segment, idx, 'b', 1).events[0]?.event;
    return (event === undefined ? undefined : this.#events.row(event)?.pos) ?? undefined;
  }

  #parse(name: string, text: string): Token {
    const token = parseToken(text);
    if (token === undefined || tokenAge(token, this.#streams.epoch) !== 'current') {
      throw invalidParam(`${name} is not a token of this server`);
    }
    return token;
  }
}
