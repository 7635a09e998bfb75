import type { CommittedEvent, EventObserver } from '../rooms/input/observer.ts';
import type { Database } from '../store/db.ts';
import type { EventRow } from '../store/events/event-row.ts';
import type { EventStore } from '../store/events/event-store.ts';
import { wellKnown } from '../store/interning/well-known.ts';
import type { RoomNid } from '../store/nids.ts';
import type { MessageTextStore } from '../store/search/message-text.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';
import type { Timeline } from '../store/timeline.ts';
import type { Streams } from '../streams/streams.ts';
import { indexTokens } from '../util/words.ts';
import { isSearchable, searchableOf } from './searchable.ts';

export interface SearchIndexUses {
  readonly db: Database;
  readonly events: EventStore;
  readonly roomState: RoomStateStore;
  readonly timeline: Timeline;
  readonly streams: Streams;
  readonly messageText: MessageTextStore;
}

const { types } = wellKnown;

/** Events looked at in one slice: some milliseconds, one small transaction. */
const sliceSize = 100;
/** Slices that a search does itself, so that it finds what was said just before. */
const slicesBeforeSearch = 5;

/**
 * Follows the stream of events from its own cursor, so that nobody waits for it: after a restart it goes on where it
 * was. An edit is a text of its own; which text of a message counts is asked when it is found, so a redacted edit needs
 * nothing but to go.
 */
export class SearchIndex implements EventObserver {
  /** Live events are read from the stream. */
  readonly follows = { past: [types.message, types.name, types.topic] };
  readonly #uses: SearchIndexUses;
  /** Up to where nothing was left to index: after the cursor, but not worth writing down. */
  #looked = 0;

  constructor(uses: SearchIndexUses) {
    this.#uses = uses;
  }

  /** Indexes some events; true if there are more. */
  slice(): boolean {
    const { db, events, messageText, streams, timeline } = this.#uses;
    const now = streams.now();
    const from = messageText.cursor;
    if (Math.max(from, this.#looked) >= now) return false;
    const entries = timeline.stream(from, now, sliceSize);
    const to = entries.length < sliceSize ? now : (entries.at(-1)?.pos ?? now);
    const rows = events.rows(entries.map(({ event }) => event));
    // What has no place is left of a history that was deleted.
    const wanted = rows.filter((row) => row.segment !== null && isSearchable(row));
    // Most of what else passes (receipts, memberships) would only move the cursor: then it waits for the next text.
    if (wanted.length === 0 && to === now) {
      this.#looked = now;
      return false;
    }
    db.write<void>(() => {
      for (const row of wanted) this.#index(row);
      messageText.setCursor(to);
    });
    return to < now;
  }

  /** Inside a write: an event of the past has come in, which the stream does not tell of. */
  onEvent({ row }: CommittedEvent): void {
    if (isSearchable(row)) this.#index(row);
  }

  onTakenOut({ row }: CommittedEvent): void {
    if (isSearchable(row)) this.#uses.messageText.remove(row.nid);
  }

  onRedacted(row: EventRow): void {
    if (isSearchable(row)) this.#uses.messageText.remove(row.nid);
  }

  onUnredacted({ row }: CommittedEvent): void {
    if (isSearchable(row)) this.#index(row);
  }

  /** Brings the index up to now, unless it is far behind. */
  catchUp(): void {
    for (let slices = 0; slices < slicesBeforeSearch && this.slice(); slices++);
  }

  #index(row: EventRow): void {
    const { events, messageText } = this.#uses;
    if (this.#isEncrypted(row.room)) return;
    const found = searchableOf(row, events.bare(row.nid)['content']);
    const tokens = found === undefined ? undefined : indexTokens(found.text);
    if (found === undefined || tokens === undefined || tokens.size === 0) return;
    messageText.put(row.nid, row.room, found.kind, tokens);
  }

  #isEncrypted(room: RoomNid): boolean {
    return this.#uses.roomState.current(room, wellKnown.stateKeys.encryption) !== undefined;
  }
}
