import { isEventId } from '../protocol/ids/event-id.ts';
import type { EventStore } from '../store/events/event-store.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { EventNid, RoomNid } from '../store/nids.ts';
import { mainTimeline } from '../store/push/push-actions.ts';
import { isJsonObject, type JsonObject } from '../util/json.ts';

/** How many relations are followed to find a thread. */
const maxHops = 3;

/**
 * The thread that an event belongs to, by its content: the root's NID, or `mainTimeline`. An event without a thread
 * relation belongs to the thread of the event it relates to. Inside a write: a root may be named before it is known.
 * @see https://spec.matrix.org/v1.19/client-server-api/#threaded-read-receipts
 */
export function threadOf(
  stores: { readonly events: EventStore; readonly interning: Interning },
  room: RoomNid,
  content: JsonObject,
): EventNid | typeof mainTimeline {
  let relation = relationOf(content);
  for (let hop = 0; relation !== undefined && hop <= maxHops; hop++) {
    const related = stores.interning.findEvent(relation.eventId);
    const row = related === undefined ? undefined : stores.events.row(related);
    if (row !== undefined && row.room !== room) return mainTimeline;
    if (relation.isThread) return related ?? stores.interning.event(relation.eventId);
    if (row === undefined) return mainTimeline;
    const parent = stores.events.bare(row.nid)['content'];
    relation = isJsonObject(parent) ? relationOf(parent) : undefined;
  }
  return mainTimeline;
}

interface Relation {
  readonly eventId: string;
  readonly isThread: boolean;
}

function relationOf(content: JsonObject): Relation | undefined {
  const relation = content['m.relates_to'];
  if (!isJsonObject(relation)) return undefined;
  const { rel_type: type, event_id: eventId } = relation;
  if (typeof type !== 'string' || typeof eventId !== 'string' || !isEventId(eventId)) return undefined;
  return { eventId, isThread: type === 'm.thread' };
}
