import type { EventRow } from '../store/events/event-row.ts';
import { wellKnown } from '../store/interning/well-known.ts';
import type { TextKind } from '../store/search/message-text.ts';
import { isJsonObject, type JsonValue } from '../util/json.ts';

/** What of an event can be searched. */
export interface Searchable {
  readonly kind: TextKind;
  readonly text: string;
  /** The event whose text this is instead of its own: this one edits it. */
  readonly edits: string | undefined;
}

const { types, stateKeys } = wellKnown;

/** Whether events of this type can have a text to search. */
export function isSearchable({ type, stateKey }: EventRow): boolean {
  if (stateKey === null) return type === types.message;
  return stateKey === stateKeys.name || stateKey === stateKeys.topic;
}

/** The text of an event that can be searched; `undefined` if it has none. */
export function searchableOf(row: EventRow, content: JsonValue | undefined): Searchable | undefined {
  if (!isSearchable(row) || !isJsonObject(content)) return undefined;
  if (row.stateKey === stateKeys.name) return own('name', content['name']);
  if (row.stateKey === stateKeys.topic) return own('topic', content['topic']);
  const relation = content['m.relates_to'];
  const replacement = content['m.new_content'];
  if (!isJsonObject(relation) || relation['rel_type'] !== 'm.replace') return own('body', content['body']);
  const { event_id: edits } = relation;
  if (!isJsonObject(replacement) || typeof edits !== 'string') return undefined;
  const text = replacement['body'];
  return typeof text === 'string' ? { kind: 'body', text, edits } : undefined;
}

function own(kind: TextKind, text: JsonValue | undefined): Searchable | undefined {
  return typeof text === 'string' && text !== '' ? { kind, text, edits: undefined } : undefined;
}
