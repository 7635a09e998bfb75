import { parseEventId } from '../../protocol/ids/event-id.ts';
import type { EventId, RoomId, ServerName, UserId } from '../../protocol/ids/types.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import { type Millis, millis } from '../../util/brand.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../util/json.ts';

/** What is asked of other servers here; `FederationClient` answers it. */
export interface RemoteCalls {
  call(call: {
    readonly server: ServerName;
    readonly method: 'GET' | 'POST';
    readonly path: string;
    readonly query?: Readonly<Record<string, string>>;
    readonly content?: JsonObject;
    readonly timeout?: Millis;
    readonly maxBytes?: number;
    readonly signal?: AbortSignal;
  }): Promise<{ readonly ok: true; readonly value: JsonObject } | { readonly ok: false }>;
}

/** Where another server may be asked instead. */
const timeout = millis(10_000);
/** Twice the largest event, for its envelope. */
const eventBytes = 128 * 1024;
/** Some fifty events of the largest size, hundreds of the usual one. */
const eventsBytes = 4 * 1024 * 1024;
/** The IDs of a room's state and auth chain: 300,000 of them. They are in memory for a moment, one room at a time. */
const idsBytes = 16 * 1024 * 1024;

/** The IDs of a room's state at an event. */
export interface StateIds {
  readonly state: readonly EventId[];
  readonly authChain: readonly EventId[];
}

/**
 * Questions about a room to other servers in it. The answers are as they came: events are still to be verified.
 * `undefined`: no answer, or none of the right form.
 * @see https://spec.matrix.org/v1.19/server-server-api/#backfilling-and-retrieving-missing-events
 */
export class RoomQuestions {
  readonly #remote: RemoteCalls;

  constructor(remote: RemoteCalls) {
    this.#remote = remote;
  }

  /** What lies between events that are here and events whose parents are not; at most `limit` are looked at. */
  async missingEvents(
    server: ServerName,
    roomId: RoomId,
    between: {
      readonly earliest: readonly EventId[];
      readonly latest: readonly EventId[];
      readonly minDepth: number;
      readonly limit: number;
    },
    signal: AbortSignal,
  ): Promise<readonly unknown[] | undefined> {
    const { earliest, latest, minDepth, limit } = between;
    const answer = await this.#remote.call({
      server,
      method: 'POST',
      path: `/_matrix/federation/v1/get_missing_events/${encodeURIComponent(roomId)}`,
      content: { earliest_events: [...earliest], latest_events: [...latest], limit, min_depth: minDepth },
      maxBytes: eventsBytes,
      signal,
    });
    return answer.ok ? arrayIn(answer.value, 'events')?.slice(0, limit) : undefined;
  }

  /** What a server takes for the ends of a room's event graph: what it would have a join of that member cite. */
  async newest(
    server: ServerName,
    { roomId, rules }: { readonly roomId: RoomId; readonly rules: RoomVersionRules },
    member: UserId,
    signal: AbortSignal,
  ): Promise<EventId[] | undefined> {
    const answer = await this.#remote.call({
      server,
      method: 'GET',
      path: `/_matrix/federation/v1/make_join/${encodeURIComponent(roomId)}/${encodeURIComponent(member)}`,
      query: { ver: rules.version },
      maxBytes: eventBytes,
      signal,
    });
    const template = answer.ok ? answer.value['event'] : undefined;
    const cited = isJsonObject(template) ? arrayIn(template, 'prev_events') : undefined;
    return cited?.flatMap((ref) => {
      const text = Array.isArray(ref) ? ref[0] : ref;
      const id = typeof text === 'string' ? parseEventId(text) : undefined;
      return id === undefined ? [] : [id];
    });
  }

  async event(server: ServerName, eventId: EventId, signal: AbortSignal): Promise<unknown> {
    const path = `/_matrix/federation/v1/event/${encodeURIComponent(eventId)}`;
    const answer = await this.#remote.call({ server, method: 'GET', path, timeout, maxBytes: eventBytes, signal });
    return answer.ok ? arrayIn(answer.value, 'pdus')?.[0] : undefined;
  }

  /** The auth chain of an event, at most `limit` events of it. */
  async eventAuth(
    server: ServerName,
    roomId: RoomId,
    eventId: EventId,
    limit: number,
    signal: AbortSignal,
  ): Promise<readonly unknown[] | undefined> {
    const path = `/_matrix/federation/v1/event_auth/${encodeURIComponent(roomId)}/${encodeURIComponent(eventId)}`;
    const answer = await this.#remote.call({ server, method: 'GET', path, timeout, maxBytes: eventsBytes, signal });
    return answer.ok ? arrayIn(answer.value, 'auth_chain')?.slice(0, limit) : undefined;
  }

  /** The state before an event. */
  async stateIds(
    server: ServerName,
    roomId: RoomId,
    eventId: EventId,
    signal: AbortSignal,
  ): Promise<StateIds | undefined> {
    const answer = await this.#remote.call({
      server,
      method: 'GET',
      path: `/_matrix/federation/v1/state_ids/${encodeURIComponent(roomId)}`,
      query: { event_id: eventId },
      maxBytes: idsBytes,
      signal,
    });
    if (!answer.ok) return undefined;
    const state = idsIn(answer.value, 'pdu_ids');
    const authChain = idsIn(answer.value, 'auth_chain_ids');
    return state === undefined || authChain === undefined ? undefined : { state, authChain };
  }
}

function arrayIn(value: JsonObject, key: string): JsonValue[] | undefined {
  const list = value[key];
  return Array.isArray(list) ? list : undefined;
}

/** Event IDs, each once; `undefined` if one is none. */
function idsIn(value: JsonObject, key: string): EventId[] | undefined {
  const ids = new Set<EventId>();
  for (const text of arrayIn(value, key) ?? [null]) {
    const id = typeof text === 'string' ? parseEventId(text) : undefined;
    if (id === undefined) return undefined;
    ids.add(id);
  }
  return [...ids];
}
