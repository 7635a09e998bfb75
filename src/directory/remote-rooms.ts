import { type FederationClient, remotePath } from '../federation/client.ts';
import type { RoomId, ServerName } from '../protocol/ids/types.ts';
import { millis } from '../util/brand.ts';
import type { Clock } from '../util/clock.ts';
import type { JsonObject, JsonValue } from '../util/json.ts';
import { SharedWork } from '../util/shared-work.ts';
import { SizedLru } from '../util/sized-lru.ts';
import { childrenTold } from './space-children.ts';
import { type ToldRoom, toldRoom } from './told-room.ts';

/** A room that we are not in, as a server that is in it tells us. */
export interface RemoteRoom {
  readonly room: ToldRoom;
  /** `m.space.child` events as stripped events, in the space's order. */
  readonly childEvents: readonly JsonObject[];
  /** What it told of the children. */
  readonly children: ReadonlyMap<RoomId, ToldRoom>;
  /** Children that nobody on this server can get into, wherever they ask. */
  readonly inaccessible: ReadonlySet<string>;
}

export interface RemoteRoomsUses {
  readonly client: Pick<FederationClient, 'call'>;
  readonly serverName: ServerName;
  readonly clock: Clock;
}

/** Servers that are asked for one room before it is given up. */
const maxAsked = 3;
const timeout = millis(10_000);
/** An answer takes several times its length once it is parsed. */
const maxAnswerBytes = 1024 * 1024;
/** For a user who walks through a space, page by page; the specification wants answers cached for a while. */
const keptFor = 5 * 60_000;
/** Nobody answered, or knew the room. */
const missingFor = 60_000;
/** Bytes of answers kept, by the length of their JSON. */
const cacheBytes = 1024 * 1024;
const missingWeight = 200;

interface Kept {
  readonly found: RemoteRoom | undefined;
  readonly until: number;
  readonly weight: number;
}

/** Asks other servers what a room is, and remembers it for a short while. */
export class RemoteRoomInfos {
  readonly #uses: RemoteRoomsUses;
  readonly #kept = new SizedLru<string, Kept>(cacheBytes, ({ weight }) => weight);
  /** One question for a room at a time; the callers bound how many. */
  readonly #asked = new SharedWork<string, RemoteRoom | undefined>();

  constructor(uses: RemoteRoomsUses) {
    this.#uses = uses;
  }

  /** What is remembered of the room: `null` if it was not found a moment ago, `undefined` if it has to be asked for. */
  remembered(roomId: RoomId): RemoteRoom | null | undefined {
    const kept = this.#kept.get(roomId);
    if (kept === undefined || kept.until <= this.#uses.clock.now()) return undefined;
    return kept.found ?? null;
  }

  /** Asks one server after the other; `undefined` if none of them tells. Never rejects. */
  async ask(roomId: RoomId, via: readonly ServerName[]): Promise<RemoteRoom | undefined> {
    const present = this.remembered(roomId);
    if (present !== undefined) return present ?? undefined;
    return this.#asked.run(roomId, () => this.#askEach(roomId, via));
  }

  async #askEach(roomId: RoomId, via: readonly ServerName[]): Promise<RemoteRoom | undefined> {
    const { client, serverName, clock } = this.#uses;
    const others = [...new Set(via)].filter((server) => server !== serverName).slice(0, maxAsked);
    for (const server of others) {
      const answer = await client.call({
        server,
        method: 'GET',
        path: remotePath`/_matrix/federation/v1/hierarchy/${roomId}`,
        // Whether only suggested rooms are wanted is decided here, so that one answer serves both.
        query: { suggested_only: 'false' },
        timeout,
        maxBytes: maxAnswerBytes,
        isHearsay: true,
      });
      const found = answer.ok ? read(answer.value, roomId) : undefined;
      if (found === undefined) continue;
      const weight = JSON.stringify(answer.ok ? answer.value : {}).length;
      this.#kept.set(roomId, { found, until: clock.now() + keptFor, weight });
      return found;
    }
    this.#kept.set(roomId, { found: undefined, until: clock.now() + missingFor, weight: missingWeight });
    return undefined;
  }
}

function read(
  { room: told, children, inaccessible_children: closed }: JsonObject,
  roomId: RoomId,
): RemoteRoom | undefined {
  const room = toldRoom(told);
  if (room?.roomId !== roomId) return undefined;
  const childEvents =
    room.summary['room_type'] === 'm.space' ? childrenTold((told as JsonObject)['children_state']) : [];
  const named = new Set(childEvents.map(({ state_key: child }) => child));
  const known = new Map<RoomId, ToldRoom>();
  for (const value of listOf(children)) {
    const child = toldRoom(value);
    // A server tells of the children of the space, not of any room it likes.
    if (child !== undefined && named.has(child.roomId)) known.set(child.roomId, child);
  }
  const inaccessible = listOf(closed).filter((id) => typeof id === 'string' && named.has(id)) as string[];
  return { room, childEvents, children: known, inaccessible: new Set(inaccessible) };
}

const listOf = (value: JsonValue | undefined): JsonValue[] => (Array.isArray(value) ? value : []);
