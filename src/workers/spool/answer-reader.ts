import { roomIdOf } from '../../protocol/events/client-event.ts';
import { neededAuthEvents } from '../../protocol/events/needed-auth.ts';
import type { Pdu } from '../../protocol/events/pdu.ts';
import { readEvent } from '../../protocol/events/read.ts';
import { neededSignatures } from '../../protocol/events/verify.ts';
import { isServerName } from '../../protocol/ids/server-name.ts';
import type { RoomId } from '../../protocol/ids/types.ts';
import { isUserId, serverOf } from '../../protocol/ids/user-id.ts';
import { JsonCutError, JsonCutter, type JsonPiece } from '../../protocol/json-stream/json-cutter.ts';
import { parseExactJson } from '../../protocol/parse-json.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import { type Spool, spoolParts } from '../../store/spool/spool.ts';
import { millis } from '../../util/brand.ts';

/** One event with what servers put into its `unsigned`; of the other members nearly nothing is needed. */
const maxPieceBytes = 256 * 1024;
const maxDepth = 1000;

/** How a large answer is read. */
export interface ReadingOptions {
  readonly roomId: RoomId;
  readonly version: string;
  /** Which members hold events, and what they are. */
  readonly parts: Readonly<Record<string, number>>;
  /** The member that names the servers in the room; those of joined members of the state are added. */
  readonly servers?: string;
  /** Members that are wanted whole. */
  readonly members: readonly string[];
  /** Events kept; more are refused. */
  readonly maxEvents: number;
  /** ID of an event that is not taken from the answer. */
  readonly without?: string;
}

/** What an answer held besides the events that were kept. */
export interface ReadAnswer {
  /** The text of each wanted member. */
  readonly members: readonly (readonly [key: string, text: string])[];
  /** Events that were kept, some of them twice, and events that are none of the room. */
  readonly events: number;
  readonly bad: number;
  readonly stateEvents: number;
}

/** How much an answer has held so far. */
export interface SeenSoFar {
  readonly events: number;
  /** Of their JSON. */
  readonly bytes: number;
  readonly stateEvents: number;
  /** Users who are in the room. */
  readonly members: number;
  /** Servers that are said to be in the room. */
  readonly servers: number;
}

/** Servers that one answer may name: the largest rooms have some thousands. */
const maxServers = 20_000;
/** Joined members of the state that are taken with what is urgent: enough to name a room after them. */
const heroes = 6;

/**
 * Reads a large answer as it comes, and puts its events into a spool, one at a time: format and hashes are looked at,
 * signatures are not. Throws `JsonCutError` for an answer that cannot be used.
 */
export class AnswerReader {
  readonly #cutter: JsonCutter;
  readonly #spool: Spool;
  readonly #options: ReadingOptions;
  readonly #rules: RoomVersionRules;
  readonly #members: [string, string][] = [];
  #events = 0;
  #bytes = 0;
  #stateEvents = 0;
  #joined = 0;
  #bad = 0;
  #named = 0;

  constructor(spool: Spool, rules: RoomVersionRules, options: ReadingOptions) {
    this.#spool = spool;
    this.#rules = rules;
    this.#options = options;
    const arrays = new Set(Object.keys(options.parts));
    if (options.servers !== undefined) arrays.add(options.servers);
    this.#cutter = new JsonCutter({ arrays, members: new Set(options.members), maxBytes: maxPieceBytes, maxDepth });
  }

  take(chunk: Buffer): void {
    for (const piece of this.#cutter.push(chunk)) {
      const value = parseExactJson(piece.bytes, { maxDepth });
      if (value === undefined) throw new JsonCutError('a part is not JSON');
      if (piece.isItem && piece.key === this.#options.servers) this.#server(value);
      else if (piece.isItem) this.#event(piece, value);
      else this.#members.push([piece.key, piece.bytes.toString()]);
    }
  }

  get seen(): SeenSoFar {
    return {
      events: this.#events,
      bytes: this.#bytes,
      stateEvents: this.#stateEvents,
      members: this.#joined,
      servers: this.#named,
    };
  }

  end(): ReadAnswer {
    this.#cutter.end();
    return { members: this.#members, events: this.#events, bad: this.#bad, stateEvents: this.#stateEvents };
  }

  /** Goes on marking what is urgent because of what is marked already. Answers how many were looked at. */
  urgeSome(limit: number): number {
    const { roomId } = this.#options;
    const some = this.#spool.urgency.next(limit);
    for (const { nid, body } of some) {
      const read = body === null ? undefined : readEvent(parseExactJson(body, { maxDepth }), this.#rules);
      if (read?.ok !== true) this.#spool.urgency.looked(nid, [], []);
      else
        this.#spool.urgency.looked(
          nid,
          neededAuthEvents(this.#rules, roomId, read.event),
          signersOf(read.event.pdu, this.#rules),
        );
    }
    return some.length;
  }

  #server(value: unknown): void {
    // What is no name of a server is nobody's.
    if (typeof value !== 'string' || !isServerName(value)) return;
    if (++this.#named > maxServers) throw new JsonCutError('it names too many servers');
    this.#spool.servers.add(value);
  }

  #event({ key, bytes }: JsonPiece, value: unknown): void {
    const { roomId, parts, maxEvents, without } = this.#options;
    const part = parts[key] as number;
    const read = readEvent(value, this.#rules);
    const type = read.ok ? read.event.pdu.type : '';
    const stateKey = read.ok ? read.event.pdu.state_key : undefined;
    if (!read.ok || stateKey === undefined || roomIdOf(read.event.pdu, read.event.eventId) !== roomId) {
      this.#bad++;
      return;
    }
    const { pdu, eventId } = read.event;
    if (eventId === without) return;
    if (++this.#events > maxEvents) throw new JsonCutError('it has too many events');
    this.#bytes += bytes.length;
    // All of the state is, but its members.
    let isUrgent = part === spoolParts.state && type !== 'm.room.member';
    if (part === spoolParts.state) {
      this.#stateEvents++;
      if (type === 'm.room.member' && pdu.content['membership'] === 'join') isUrgent = this.#joins(stateKey);
    }
    const isFirst = this.#spool.put({
      eventId,
      part,
      // In room version 12 nothing cites the create event, and it may come last.
      authEvents: neededAuthEvents(this.#rules, roomId, read.event),
      type,
      stateKey,
      signers: signersOf(pdu, this.#rules),
      ts: millis(Number.isSafeInteger(pdu.origin_server_ts) ? pdu.origin_server_ts : 0),
      body: bytes,
    });
    if (!isFirst) throw new JsonCutError('its state has two events for one key');
    if (isUrgent) this.#spool.urgency.urge([eventId]);
  }

  /** Whether the room may be named after this member. */
  #joins(userId: string): boolean {
    if (isUserId(userId)) this.#spool.servers.add(serverOf(userId));
    return ++this.#joined <= heroes;
  }
}

function signersOf(pdu: Pdu, rules: RoomVersionRules) {
  return neededSignatures(pdu, rules).map(({ server, signatures }) => ({
    server,
    keyIds: signatures.map(([keyId]) => keyId),
  }));
}
