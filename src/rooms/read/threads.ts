import type { EventId } from '../../protocol/ids/types.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { RoomNid } from '../../store/nids.ts';
import type { JsonValue } from '../../util/json.ts';
import { relationIn } from '../relations/relation.ts';

/** How many relations are followed to find a thread. */
const maxHops = 3;

/**
 * The root of the thread that an event belongs to, by its content; `undefined` for the main timeline. An event without
 * a thread relation belongs to the thread of the event it relates to. The root need not be known here.
 * @see https://spec.matrix.org/v1.19/client-server-api/#threaded-read-receipts
 */
export function threadRootOf(
  stores: { readonly events: EventStore; readonly interning: Interning },
  room: RoomNid,
  content: JsonValue | undefined,
): EventId | undefined {
  let relation = relationIn(content);
  for (let hop = 0; relation !== undefined && hop <= maxHops; hop++) {
    const nid = stores.interning.findEvent(relation.eventId);
    const row = nid === undefined ? undefined : stores.events.row(nid);
    if (row !== undefined && row.room !== room) return undefined;
    if (relation.rel === 'm.thread') return relation.eventId;
    relation = row === undefined ? undefined : relationIn(stores.events.bare(row.nid)['content']);
  }
  return undefined;
}
