import { asRoomId, parseRoomId } from '../protocol/ids/room-id.ts';
import { parseServerName } from '../protocol/ids/server-name.ts';
import type { RoomId, ServerName } from '../protocol/ids/types.ts';
import { isUserId } from '../protocol/ids/user-id.ts';
import type { RoomDirectoryStore } from '../store/directory/rooms.ts';
import type { EventStore } from '../store/events/event-store.ts';
import type { RoomNid } from '../store/nids.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../util/json.ts';

export interface ChildSources {
  readonly events: EventStore;
  readonly roomDirectory: RoomDirectoryStore;
}

/** Children of one space that are looked at; nobody scrolls through more. */
const maxChildren = 1000;
/** Events of a space that are read for them: those of rooms that were taken out again are among them. */
const maxRead = 4 * maxChildren;
/** Servers of one child that are tried or told. */
const maxVia = 10;

/** The children of a space that is known here, as stripped events, in their order. One without a server to join by is none. */
export function spaceChildren({ events, roomDirectory }: ChildSources, space: RoomNid, suggestedOnly: boolean) {
  return inOrder([...events.bares(roomDirectory.children(space, maxRead)).values()] as JsonObject[], suggestedOnly);
}

/** The same of what another server says the children are. */
export function childrenTold(value: JsonValue | undefined): JsonObject[] {
  return Array.isArray(value) ? inOrder(value.slice(0, maxChildren).filter(isChildEvent), false) : [];
}

/** Where a child says it can be joined. */
export function viaOf({ content }: JsonObject): ServerName[] {
  const { via } = content as JsonObject;
  return serverNames(via, maxVia);
}

export function serverNames(value: JsonValue | readonly string[] | undefined, limit: number): ServerName[] {
  if (!Array.isArray(value)) return [];
  return value
    .slice(0, limit)
    .map((name: JsonValue) => (typeof name === 'string' ? parseServerName(name) : undefined))
    .filter((name) => name !== undefined);
}

/** Which room it is. Only of what `spaceChildren` or `childrenTold` has checked. */
export function childId({ state_key: child }: JsonObject): RoomId {
  return asRoomId(typeof child === 'string' ? child : '');
}

export function isSuggested({ content }: JsonObject): boolean {
  return isJsonObject(content) && content['suggested'] === true;
}

function inOrder(events: readonly JsonObject[], suggestedOnly: boolean): JsonObject[] {
  return events
    .filter((event) => isChild(event) && (!suggestedOnly || isSuggested(event)))
    .map(({ type, state_key, content, sender, origin_server_ts }) => ({
      type: type as string,
      state_key: state_key as string,
      content: content as JsonObject,
      sender: sender as string,
      origin_server_ts: origin_server_ts as number,
    }))
    .sort(inSpaceOrder)
    .slice(0, maxChildren);
}

function isChildEvent(event: JsonValue): event is JsonObject {
  if (!isJsonObject(event) || event['type'] !== 'm.space.child') return false;
  const { sender, origin_server_ts: time } = event;
  return typeof sender === 'string' && isUserId(sender) && Number.isSafeInteger(time);
}

function isChild({ content, state_key: child }: JsonObject): boolean {
  if (!isJsonObject(content) || typeof child !== 'string' || parseRoomId(child) === undefined) return false;
  const { via } = content;
  return Array.isArray(via) && via.length > 0 && via.every((server) => typeof server === 'string');
}

/**
 * By `order` where it is valid, then those without, by age and room ID.
 * @see https://spec.matrix.org/v1.19/client-server-api/#ordering-of-children-within-a-space
 */
function inSpaceOrder(a: JsonObject, b: JsonObject): number {
  const [first, second] = [orderOf(a), orderOf(b)];
  if (first !== second) {
    if (first === undefined) return 1;
    if (second === undefined) return -1;
    return first < second ? -1 : 1;
  }
  const age = (a['origin_server_ts'] as number) - (b['origin_server_ts'] as number);
  if (age !== 0) return age;
  return (a['state_key'] as string) < (b['state_key'] as string) ? -1 : 1;
}

function orderOf({ content }: JsonObject): string | undefined {
  const order = (content as JsonObject)['order'];
  return typeof order === 'string' && /^[\x20-\x7e]{0,50}$/.test(order) ? order : undefined;
}
