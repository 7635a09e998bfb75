import { itemsIn } from '../../federation/answer-items.ts';
import { parseEventId } from '../../protocol/ids/event-id.ts';
import type { EventId, RoomId, ServerName, UserId } from '../../protocol/ids/types.ts';
import { JsonCutError, JsonCutter } from '../../protocol/json-stream/json-cutter.ts';
import { tryParseJson } from '../../protocol/parse-json.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import { type Millis, millis } from '../../util/brand.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../util/json.ts';

interface Call {
  readonly server: ServerName;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly content?: JsonObject;
  readonly timeout?: Millis;
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
}

/** What is asked of other servers here; `FederationClient` answers it. */
export interface RemoteCalls {
  call(call: Call): Promise<{ readonly ok: true; readonly value: JsonObject } | { readonly ok: false }>;
  /** The same for an answer that is read as it comes. */
  stream(call: Call): Promise<{ readonly ok: true; readonly body: AsyncIterable<Buffer> } | { readonly ok: false }>;
}

/** Where another server may be asked instead. */
const timeout = millis(10_000);
/** Twice the largest event, for its envelope. */
const eventBytes = 128 * 1024;
/** Some fifty events of the largest size, hundreds of the usual one. */
const eventsBytes = 4 * 1024 * 1024;
/** The IDs of a room's state and auth chain: 300,000 of them, which are read one by one. */
const idsBytes = 16 * 1024 * 1024;
/** One of them; those of the first room versions are chosen by servers. */
const idBytes = 2048;

/** The ID of an event in a room's state, or in its auth chain. */
export interface StateId {
  readonly id: EventId;
  readonly isInState: boolean;
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
    const answer = await this.#remote.stream({
      server,
      method: 'POST',
      path: `/_matrix/federation/v1/get_missing_events/${encodeURIComponent(roomId)}`,
      content: { earliest_events: [...earliest], latest_events: [...latest], limit, min_depth: minDepth },
      maxBytes: eventsBytes,
      signal,
    });
    return answer.ok ? itemsIn(answer.body, 'events', limit) : undefined;
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
    const answer = await this.#remote.stream({ server, method: 'GET', path, timeout, maxBytes: eventsBytes, signal });
    return answer.ok ? itemsIn(answer.body, 'auth_chain', limit) : undefined;
  }

  /**
   * The IDs of the state before an event and of its auth chain, in pieces as they come in. Throws where the answer is
   * wrong or breaks off.
   */
  async stateIds(
    server: ServerName,
    roomId: RoomId,
    eventId: EventId,
    signal: AbortSignal,
  ): Promise<AsyncIterable<readonly StateId[]> | undefined> {
    const answer = await this.#remote.stream({
      server,
      method: 'GET',
      path: `/_matrix/federation/v1/state_ids/${encodeURIComponent(roomId)}`,
      query: { event_id: eventId },
      maxBytes: idsBytes,
      signal,
    });
    return answer.ok ? idsIn(answer.body) : undefined;
  }
}

function arrayIn(value: JsonObject, key: string): JsonValue[] | undefined {
  const list = value[key];
  return Array.isArray(list) ? list : undefined;
}

const idLists: ReadonlySet<string> = new Set(['pdu_ids', 'auth_chain_ids']);

async function* idsIn(body: AsyncIterable<Buffer>): AsyncGenerator<readonly StateId[]> {
  const cutter = new JsonCutter({ arrays: idLists, members: new Set(), maxBytes: idBytes, maxDepth: 1 });
  const seen = new Set<string>();
  for await (const chunk of body) {
    yield [...cutter.push(chunk)].map(({ key, bytes }) => {
      const text = tryParseJson(bytes);
      const id = typeof text === 'string' ? parseEventId(text) : undefined;
      if (id === undefined) throw new JsonCutError('an event ID is none');
      seen.add(key);
      return { id, isInState: key === 'pdu_ids' };
    });
  }
  cutter.end();
  if (!seen.has('pdu_ids')) throw new JsonCutError('there is no state');
}
