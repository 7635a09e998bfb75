import { type FederationClient, remotePath } from '../../federation/client.ts';
import { agreedOn, type Figure, type RoomFacts } from '../../governor/room-model.ts';
import type { RoomId, ServerName } from '../../protocol/ids/types.ts';
import type { ListedRoomStore } from '../../store/directory/listed-rooms.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { PartialRooms } from '../../store/rooms/partial-rooms.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import { millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../util/json.ts';

export interface RoomInquiryUses {
  readonly client: Pick<FederationClient, 'call'>;
  readonly interning: Interning;
  readonly roomState: RoomStateStore;
  readonly partialRooms: Pick<PartialRooms, 'has'>;
  readonly listedRooms: ListedRoomStore;
  readonly clock: Clock;
}

/** Servers that are asked, all at once. */
const mostAsked = 3;
/** Somebody waits for the join. */
const longest = millis(4_000);
/** For the others once one has told all there is to tell. */
const grace = millis(500);
const maxComplexityBytes = 16 * 1024;
const maxHierarchyBytes = 512 * 1024;
/** Entries of the state in one unit of complexity, in the one form that servers have agreed on. */
const statesPerUnit = 500;
/** No room is larger; what is told above it is no number of anything. */
const largest = 1e9;

interface Told {
  members?: number | undefined;
  servers?: number | undefined;
  stateEvents?: number | undefined;
  messagesPerDay?: number | undefined;
}

/** Finds out what can be known cheaply of a room before it is joined. */
export class RoomInquiry {
  readonly #uses: RoomInquiryUses;

  constructor(uses: RoomInquiryUses) {
    this.#uses = uses;
  }

  /** Counts where somebody of ours is in the room; asks servers that are in it else. Never rejects. */
  async facts(roomId: RoomId, servers: readonly ServerName[]): Promise<RoomFacts> {
    const own = this.#own(roomId);
    if (own !== undefined) return own;
    const told = await this.#ask(roomId, servers.slice(0, mostAsked));
    const members = agreed(told, 'members') ?? this.#listed(roomId);
    return {
      members: members === undefined ? undefined : { value: members, sure: 'told' },
      servers: figure(agreed(told, 'servers')),
      stateEvents: figure(agreed(told, 'stateEvents')),
      messagesPerDay: figure(agreed(told, 'messagesPerDay')),
    };
  }

  #own(roomId: RoomId): RoomFacts | undefined {
    const { interning, roomState, partialRooms } = this.#uses;
    const nid = interning.findRoom(roomId);
    // While members are missing, others know how large it is.
    const isKnown = nid !== undefined && roomState.hasLocalJoined(nid) && !partialRooms.has(nid);
    const info = isKnown ? roomState.info(nid) : undefined;
    if (info === undefined) return undefined;
    const counted = (value: number): Figure => ({ value, sure: 'counted' });
    return { members: counted(info.joined), servers: counted(info.servers), stateEvents: counted(info.states) };
  }

  /** What the public directories of other servers say, where they are read. */
  #listed(roomId: RoomId): number | undefined {
    return this.#uses.listedRooms.membersOf(roomId);
  }

  async #ask(roomId: RoomId, servers: readonly ServerName[]): Promise<readonly Told[]> {
    const { clock } = this.#uses;
    const answers: Told[] = [];
    const abort = new AbortController();
    const { promise: enough, resolve } = Promise.withResolvers<void>();
    const timers = [clock.after(longest, resolve)];
    const asked = servers.map(async (server) => {
      const told = await this.#askOne(roomId, server, abort.signal);
      answers.push(told);
      if (told.members !== undefined && told.stateEvents !== undefined) timers.push(clock.after(grace, resolve));
    });
    await Promise.race([Promise.all(asked), enough]);
    for (const cancel of timers) cancel();
    abort.abort();
    return [...answers];
  }

  /** Its own word on how large the room is, and the summary for what that leaves open. */
  async #askOne(roomId: RoomId, server: ServerName, signal: AbortSignal): Promise<Told> {
    const about = { server, method: 'GET', timeout: longest, isHearsay: true, signal } as const;
    const [size, summary] = await Promise.all([
      this.#uses.client.call({
        ...about,
        path: remotePath`/_matrix/federation/unstable/rooms/${roomId}/complexity`,
        maxBytes: maxComplexityBytes,
      }),
      this.#uses.client.call({
        ...about,
        path: remotePath`/_matrix/federation/v1/hierarchy/${roomId}`,
        query: { suggested_only: 'true' },
        maxBytes: maxHierarchyBytes,
      }),
    ]);
    const told = size.ok ? complexityOf(size.value) : {};
    const room = summary.ok ? summary.value['room'] : undefined;
    const members = isJsonObject(room) && room['room_id'] === roomId ? room['num_joined_members'] : undefined;
    return { ...told, members: told.members ?? countOf(members) };
  }
}

function complexityOf({ v1, hearth }: JsonObject): Told {
  const more = isJsonObject(hearth) ? hearth : {};
  const units = typeof v1 === 'number' && v1 >= 0 && v1 <= largest / statesPerUnit ? v1 : undefined;
  return {
    members: countOf(more['members']),
    servers: countOf(more['servers']),
    stateEvents: countOf(more['state_events']) ?? (units === undefined ? undefined : Math.round(units * statesPerUnit)),
    messagesPerDay: countOf(more['messages_per_day']),
  };
}

function countOf(value: JsonValue | undefined): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= largest ? value : undefined;
}

const agreed = (told: readonly Told[], key: keyof Told) =>
  agreedOn(told.flatMap(({ [key]: value }) => (value === undefined ? [] : [value])));

const figure = (value: number | undefined): Figure | undefined =>
  value === undefined ? undefined : { value, sure: 'told' };
