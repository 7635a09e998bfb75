import { isEventId } from '../../protocol/ids/event-id.ts';
import type { EventId } from '../../protocol/ids/types.ts';
import { isJsonObject, type JsonValue } from '../../util/json.ts';

/** What an event says about its relation to another. */
export interface Relation {
  readonly eventId: EventId;
  /** `rel_type` */
  readonly rel: string;
  /** Of an annotation: what it says. */
  readonly key: string | undefined;
}

/** Like event types; a longer one is no relation. */
const maxRelBytes = 255;

/**
 * The relation in a content; `undefined` without a well-formed one. Rich replies have none.
 * @see https://spec.matrix.org/v1.19/client-server-api/#forming-relationships-between-events
 */
export function relationIn(content: JsonValue | undefined): Relation | undefined {
  const relation = isJsonObject(content) ? content['m.relates_to'] : undefined;
  if (!isJsonObject(relation)) return undefined;
  const { rel_type: rel, event_id: eventId, key } = relation;
  if (typeof rel !== 'string' || rel === '' || Buffer.byteLength(rel) > maxRelBytes) return undefined;
  if (typeof eventId !== 'string' || !isEventId(eventId)) return undefined;
  return { eventId, rel, key: typeof key === 'string' ? key : undefined };
}
