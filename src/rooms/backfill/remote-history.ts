import { itemsIn } from '../../federation/answer-items.ts';
import { type FederationClient, type RemoteFailure, remotePath } from '../../federation/client.ts';
import { isEventIdOf } from '../../protocol/ids/event-id.ts';
import type { EventId, RoomId, ServerName } from '../../protocol/ids/types.ts';
import { JsonCutter } from '../../protocol/json-stream/json-cutter.ts';
import { tryParseJson } from '../../protocol/parse-json.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import type { Direction } from '../../store/timeline.ts';
import { millis } from '../../util/brand.ts';
import type { JsonValue } from '../../util/json.ts';

/** A client waits for it: another server may be asked, or the client asks again. */
const timeout = millis(10_000);
/** All of a page, from a server that sends it in drops. */
const pageTimeout = millis(40_000);
/** A state of ten thousands of members takes a while. */
const stateTimeout = millis(20_000);
/** For all of it: some tens of megabytes over a slow line. */
const wholeStateTimeout = millis(5 * 60_000);
/** A hundred events of the usual size and a few of the largest. */
const pageBytes = 4 * 1024 * 1024;
/** One event and what is around it in an answer. */
const eventBytes = 256 * 1024;
/** A state with its auth chain, in IDs: more than the largest rooms have. */
const maxStateBytes = 64 * 1024 * 1024;

/** The questions about history that other servers answer. What they say is not checked in any way but its form. */
export class RemoteHistory {
  readonly #client: Pick<FederationClient, 'call' | 'stream'>;

  constructor(client: Pick<FederationClient, 'call' | 'stream'>) {
    this.#client = client;
  }

  /**
   * Events before and including some, at most `limit`.
   * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1backfillroomid
   */
  async backfill(
    server: ServerName,
    roomId: RoomId,
    from: readonly EventId[],
    limit: number,
  ): Promise<unknown[] | RemoteFailure> {
    const answer = await this.#client.stream({
      server,
      method: 'GET',
      path: remotePath`/_matrix/federation/v1/backfill/${roomId}`,
      query: { v: from, limit: String(limit) },
      timeout,
      within: pageTimeout,
      maxBytes: pageBytes,
    });
    if (!answer.ok) return answer;
    const events = await itemsIn(answer.body, 'pdus', limit);
    return events ?? { ok: false, server, kind: 'unreachable', retryable: true, detail: 'the answer breaks off' };
  }

  /** One event; `undefined` if the server does not give it. */
  async event(server: ServerName, eventId: EventId): Promise<unknown> {
    const answer = await this.#client.call({
      server,
      method: 'GET',
      path: remotePath`/_matrix/federation/v1/event/${eventId}`,
      timeout,
      maxBytes: eventBytes,
    });
    return answer.ok ? listOf(answer.value['pdus'], 1)[0] : undefined;
  }

  /** The event that a server knows closest to a time. Its word for it. */
  async eventAt(server: ServerName, roomId: RoomId, ts: number, direction: Direction): Promise<JsonValue | undefined> {
    const answer = await this.#client.call({
      server,
      method: 'GET',
      path: remotePath`/_matrix/federation/v1/timestamp_to_event/${roomId}`,
      query: { ts: String(ts), dir: direction },
      timeout,
      maxBytes: eventBytes,
    });
    return answer.ok ? answer.value['event_id'] : undefined;
  }

  /**
   * Hands over the IDs of the state before an event, one at a time as they come in, until `take` has enough. False if
   * the server did not tell them all.
   */
  async stateIds(
    server: ServerName,
    room: { readonly roomId: RoomId; readonly rules: RoomVersionRules },
    eventId: EventId,
    take: (id: EventId) => boolean,
  ): Promise<boolean> {
    const answer = await this.#client.stream({
      server,
      method: 'GET',
      path: remotePath`/_matrix/federation/v1/state_ids/${room.roomId}`,
      query: { event_id: eventId },
      timeout: stateTimeout,
      within: wholeStateTimeout,
      maxBytes: maxStateBytes,
    });
    if (!answer.ok) return false;
    for await (const ids of idsIn(answer.body, room.rules)) {
      if (ids === undefined) return false;
      for (const id of ids) if (!take(id)) return true;
    }
    return true;
  }
}

/** The IDs of a state as they come in; `undefined` where the answer is wrong or breaks off. */
async function* idsIn(
  body: AsyncIterable<Buffer>,
  rules: RoomVersionRules,
): AsyncGenerator<readonly EventId[] | undefined> {
  const cutter = new JsonCutter({ arrays: new Set(['pdu_ids']), members: new Set(), maxBytes: 1024, maxDepth: 1 });
  try {
    for await (const chunk of body) {
      const ids: EventId[] = [];
      for (const { bytes } of cutter.push(chunk)) {
        const id = tryParseJson(bytes);
        if (typeof id === 'string' && isEventIdOf(id, rules)) ids.push(id);
      }
      yield ids;
    }
    cutter.end();
  } catch {
    // The other server's fault, or the connection's: nothing of ours runs in here.
    yield undefined;
  }
}

function listOf(value: JsonValue | undefined, limit: number): unknown[] {
  return Array.isArray(value) ? value.slice(0, limit) : [];
}
