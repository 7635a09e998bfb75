import { parseMxcUri } from '../protocol/ids/mxc-uri.ts';
import { parseRoomAlias, parseRoomId } from '../protocol/ids/room-id.ts';
import type { RoomId } from '../protocol/ids/types.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../util/json.ts';

/** Bytes of a room's name and topic that are passed on; an event has room for no more. */
const maxText = 64 * 1024;
/** Rooms whose members may join a restricted room. */
const maxAllowed = 50;

/** A room as another server describes it, with what has the wrong type left out. */
export interface ToldRoom {
  readonly roomId: RoomId;
  /** `public_rooms_chunk` of the specification, and what room summaries add to it. */
  readonly summary: JsonObject;
}

/**
 * Reads a room summary or an entry of a room directory that another server sent; `undefined` if it names no room.
 * Nothing else of it is believed to be there, and nothing unknown is passed on.
 */
export function toldRoom(value: JsonValue | undefined): ToldRoom | undefined {
  if (!isJsonObject(value)) return undefined;
  const id = value['room_id'];
  const roomId = typeof id === 'string' ? parseRoomId(id) : undefined;
  if (roomId === undefined) return undefined;
  const version = shortText(value['room_version'] ?? value['im.nheko.summary.room_version']);
  const encryption = shortText(value['encryption'] ?? value['im.nheko.summary.encryption']);
  const avatar = shortText(value['avatar_url']);
  const alias = shortText(value['canonical_alias']);
  const allowed = allowedRooms(value['allowed_room_ids']);
  const summary: JsonObject = {
    room_id: roomId,
    num_joined_members: countOf(value['num_joined_members']),
    world_readable: value['world_readable'] === true,
    guest_can_join: value['guest_can_join'] === true,
    join_rule: shortText(value['join_rule']) ?? 'public',
  };
  put(summary, 'name', textOf(value['name']));
  put(summary, 'topic', textOf(value['topic']));
  put(summary, 'avatar_url', avatar !== undefined && parseMxcUri(avatar) !== undefined ? avatar : undefined);
  put(summary, 'canonical_alias', alias === undefined ? undefined : parseRoomAlias(alias));
  put(summary, 'room_type', shortText(value['room_type']));
  put(summary, 'room_version', version);
  put(summary, 'im.nheko.summary.room_version', version);
  put(summary, 'im.nheko.summary.version', version);
  put(summary, 'encryption', encryption);
  put(summary, 'im.nheko.summary.encryption', encryption);
  if (allowed.length > 0) summary['allowed_room_ids'] = allowed;
  return { roomId, summary };
}

/** Whether anybody may be told of a room that is described so: who may join it, ask to, or read it. */
export function isToldToAll({ summary }: ToldRoom): boolean {
  const rule = summary['join_rule'];
  return rule === 'public' || rule === 'knock' || rule === 'knock_restricted' || summary['world_readable'] === true;
}

function put(summary: JsonObject, key: string, value: string | undefined): void {
  if (value !== undefined) summary[key] = value;
}

function countOf(value: JsonValue | undefined): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

function textOf(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= maxText ? value : undefined;
}

/** Identifiers and words of the protocol. */
function shortText(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= 512 ? value : undefined;
}

function allowedRooms(value: JsonValue | undefined): string[] {
  if (!Array.isArray(value)) return [];
  return value
    .slice(0, maxAllowed)
    .filter((room) => typeof room === 'string' && parseRoomId(room) !== undefined) as string[];
}
