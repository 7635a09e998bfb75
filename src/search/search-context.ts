import { openFilter } from '../protocol/filters/filter.ts';
import type { ClientEvents, EventAudience } from '../rooms/read/client-events.ts';
import type { RoomHistory } from '../rooms/read/history.ts';
import { endOf } from '../rooms/read/history.ts';
import type { RoomTokens } from '../rooms/read/tokens.ts';
import type { Bundles } from '../rooms/relations/bundles.ts';
import type { EventRow } from '../store/events/event-row.ts';
import type { EventStore } from '../store/events/event-store.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { Boundary } from '../store/timeline.ts';
import { isJsonObject, type JsonObject } from '../util/json.ts';

export interface SearchContextUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly history: RoomHistory;
  readonly tokens: RoomTokens;
  readonly bundles: Bundles;
  readonly clientEvents: ClientEvents;
}

/** What of the surroundings of a result is wanted. */
export interface ContextWish {
  readonly before: number;
  readonly after: number;
  readonly profiles: boolean;
}

/** Writes what happened around a result. */
export class SearchContext {
  readonly #uses: SearchContextUses;

  constructor(uses: SearchContextUses) {
    this.#uses = uses;
  }

  /** The `context` of a result as JSON text: events nearest first. */
  text(row: EventRow, audience: EventAudience, wish: ContextWish): string {
    const { history, tokens } = this.#uses;
    if (row.segment === null || row.idx === null) return '{"events_before":[],"events_after":[]}';
    const after: Boundary = { segment: row.segment, idx: row.idx };
    const before: Boundary = { segment: row.segment, idx: row.idx - 1 };
    const shared = { view: audience.view, filter: openFilter.room.timeline };
    const earlier = history.walk({ ...shared, from: before, direction: 'b', limit: wish.before });
    const later = history.walk({ ...shared, from: after, direction: 'f', limit: wish.after });
    const members = [
      `"start":${JSON.stringify(tokens.text(earlier.next ?? endOf(earlier.rows, before, 'b')))}`,
      `"end":${JSON.stringify(tokens.text(later.next ?? endOf(later.rows, after, 'f')))}`,
      `"events_before":${this.#array(earlier.rows, audience)}`,
      `"events_after":${this.#array(later.rows, audience)}`,
    ];
    if (wish.profiles) {
      const profiles = this.#profiles(row, [...earlier.rows, row, ...later.rows]);
      members.push(`"profile_info":${JSON.stringify(profiles)}`);
    }
    return `{${members.join(',')}}`;
  }

  #array(rows: readonly EventRow[], audience: EventAudience): string {
    const { bundles, clientEvents } = this.#uses;
    const shown = bundles.with(rows, audience);
    return `[${rows.map((row) => clientEvents.text(row, shown)).join(',')}]`;
  }

  /** Names and pictures of the senders as they were at the result. */
  #profiles(at: EventRow, rows: readonly EventRow[]): JsonObject {
    const { events, history, interning } = this.#uses;
    const point = history.pointAfter(at);
    if (point === undefined) return {};
    const profiles: JsonObject = {};
    for (const { nid, stateKey } of history.sendersAt(point, rows)) {
      const { content } = events.bare(nid);
      if (stateKey === null || !isJsonObject(content)) continue;
      const { displayname, avatar_url: avatar } = content;
      profiles[interning.stateKeyOf(stateKey).skey] = {
        ...(typeof displayname === 'string' ? { displayname } : {}),
        ...(typeof avatar === 'string' ? { avatar_url: avatar } : {}),
      };
    }
    return profiles;
  }
}
