import { parseMxcUri } from '../protocol/ids/mxc-uri.ts';
import { parseRoomAlias } from '../protocol/ids/room-id.ts';
import type { EventStore } from '../store/events/event-store.ts';
import type { Interning } from '../store/interning/interning.ts';
import { wellKnown } from '../store/interning/well-known.ts';
import type { EventNid, RoomNid, StateKeyNid } from '../store/nids.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../util/json.ts';

const keys = wellKnown.stateKeys;
const shown: readonly StateKeyNid[] = [
  keys.create,
  keys.name,
  keys.topic,
  keys.avatar,
  keys.canonicalAlias,
  keys.joinRules,
  keys.historyVisibility,
  keys.guestAccess,
  keys.encryption,
];

/** What the directory tells of a room, read from its current state. */
export class RoomFacts {
  readonly room: RoomNid;
  readonly version: string;
  readonly joined: number;
  readonly #contents: ReadonlyMap<StateKeyNid, JsonObject>;

  constructor(room: RoomNid, info: { version: string; joined: number }, contents: Map<StateKeyNid, JsonObject>) {
    this.room = room;
    this.version = info.version;
    this.joined = info.joined;
    this.#contents = contents;
  }

  get name(): string | undefined {
    return this.#text(keys.name, 'name');
  }

  /** The plain text; `undefined` if the topic has none. */
  get topic(): string | undefined {
    const rich = this.#contents.get(keys.topic)?.['m.topic'];
    const forms = isJsonObject(rich) ? rich['m.text'] : undefined;
    if (!Array.isArray(forms)) return this.#text(keys.topic, 'topic');
    const plain = forms.find((form) => isJsonObject(form) && (form['mimetype'] ?? 'text/plain') === 'text/plain');
    return isJsonObject(plain) ? textOf(plain['body']) : undefined;
  }

  get avatarUrl(): string | undefined {
    const url = this.#text(keys.avatar, 'url');
    return url !== undefined && parseMxcUri(url) !== undefined ? url : undefined;
  }

  get canonicalAlias(): string | undefined {
    const alias = this.#text(keys.canonicalAlias, 'alias');
    return alias === undefined ? undefined : parseRoomAlias(alias);
  }

  get type(): string | undefined {
    return this.#text(keys.create, 'type');
  }

  /** `invite` if the room has no rule. */
  get joinRule(): string {
    return this.#text(keys.joinRules, 'join_rule') ?? 'invite';
  }

  get joinRules(): JsonObject {
    return this.#contents.get(keys.joinRules) ?? {};
  }

  get isWorldReadable(): boolean {
    return this.#text(keys.historyVisibility, 'history_visibility') === 'world_readable';
  }

  get guestsMayJoin(): boolean {
    return this.#text(keys.guestAccess, 'guest_access') === 'can_join';
  }

  get encryption(): string | undefined {
    return this.#text(keys.encryption, 'algorithm');
  }

  /** Rooms whose members may join a restricted room. */
  get allowedRooms(): string[] {
    const { allow } = this.joinRules;
    if (!this.joinRule.endsWith('restricted') || !Array.isArray(allow)) return [];
    return allow
      .filter(isJsonObject)
      .filter(({ type }) => type === 'm.room_membership')
      .map(({ room_id: room }) => textOf(room))
      .filter((room) => room !== undefined);
  }

  #text(key: StateKeyNid, field: string): string | undefined {
    return textOf(this.#contents.get(key)?.[field]);
  }
}

function textOf(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

export interface FactSources {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly roomState: RoomStateStore;
}

/** Reads what is told of a room; `undefined` for a room that is not known here. */
export function roomFacts({ events, roomState }: FactSources, room: RoomNid): RoomFacts | undefined {
  const info = roomState.info(room);
  if (info === undefined) return undefined;
  const found = new Map<EventNid, StateKeyNid>();
  for (const key of shown) {
    const event = roomState.current(room, key);
    if (event !== undefined) found.set(event, key);
  }
  const contents = new Map<StateKeyNid, JsonObject>();
  for (const [nid, event] of events.bares([...found.keys()])) {
    const key = found.get(nid);
    const { content } = event;
    if (key !== undefined && isJsonObject(content)) contents.set(key, content);
  }
  return new RoomFacts(room, info, contents);
}

/** As the public directory shows a room. `public_rooms_chunk` of the specification. */
export function publicRoom(roomId: string, facts: RoomFacts, joined = facts.joined): JsonObject {
  return {
    room_id: roomId,
    num_joined_members: joined,
    world_readable: facts.isWorldReadable,
    guest_can_join: facts.guestsMayJoin,
    join_rule: facts.joinRule,
    ...given('name', facts.name),
    ...given('topic', facts.topic),
    ...given('avatar_url', facts.avatarUrl),
    ...given('canonical_alias', facts.canonicalAlias),
    ...given('room_type', facts.type),
  };
}

/**
 * As summaries and hierarchies show it; `joined` where we do not know all members ourselves. Clients of before version 1.15 of the specification read the names of the
 * proposal.
 */
export function roomSummary(roomId: string, facts: RoomFacts, joined = facts.joined): JsonObject {
  const allowed = facts.allowedRooms;
  return {
    ...publicRoom(roomId, facts, joined),
    room_version: facts.version,
    'im.nheko.summary.room_version': facts.version,
    'im.nheko.summary.version': facts.version,
    ...given('encryption', facts.encryption),
    ...given('im.nheko.summary.encryption', facts.encryption),
    ...(allowed.length > 0 ? { allowed_room_ids: allowed } : {}),
  };
}

function given(key: string, value: string | undefined): JsonObject {
  return value === undefined ? {} : { [key]: value };
}
