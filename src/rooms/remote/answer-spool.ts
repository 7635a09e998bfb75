import { setImmediate as nextTurn } from 'node:timers/promises';
import { roomIdOf } from '../../protocol/events/client-event.ts';
import { refIds } from '../../protocol/events/pdu.ts';
import { readEvent } from '../../protocol/events/read.ts';
import { neededSignatures } from '../../protocol/events/verify.ts';
import type { EventId, RoomId } from '../../protocol/ids/types.ts';
import { JsonCutter, type JsonPiece } from '../../protocol/json-stream/json-cutter.ts';
import { parseExactJson } from '../../protocol/parse-json.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import { type Spool, spoolParts } from '../../store/spool/spool.ts';
import { millis } from '../../util/brand.ts';
import type { EntryGuard } from '../limits/room-limits.ts';

/** An answer that cannot be used, whatever its events are. The message is for the log. */
export class BadAnswer extends Error {}

/** One event with what servers put into its `unsigned`; of the other members nearly nothing is needed. */
const maxPieceBytes = 256 * 1024;
const maxDepth = 1000;
/** Looked at between two turns of the event loop: some milliseconds' work. */
const sliceBytes = 64 * 1024;

export interface SpoolingOptions {
  readonly roomId: RoomId;
  readonly rules: RoomVersionRules;
  /** Which members hold events, and what they are. */
  readonly parts: Readonly<Record<string, number>>;
  /** Members that are wanted whole. */
  readonly members: readonly string[];
  /** Events kept; more are refused. */
  readonly maxEvents: number;
  readonly signal: AbortSignal;
  /** Says when it is more of a room than is allowed. */
  readonly guard?: Pick<EntryGuard, 'check'>;
  /** An event that is not taken from the answer. */
  readonly without?: EventId;
}

export interface SpooledAnswer {
  readonly members: ReadonlyMap<string, unknown>;
  /** Events that are none of the room. */
  readonly bad: number;
}

/** `state` and `auth_chain` of an answer to send_join. */
export const joinParts: Readonly<Record<string, number>> = {
  state: spoolParts.state,
  auth_chain: spoolParts.authChain,
};

/**
 * Reads a large answer as it comes, and puts its events into a spool, one at a time: format and hashes are looked at,
 * signatures are not. Throws `BadAnswer` or `JsonCutError` for an answer that is none, and what the guard throws.
 */
export async function spoolAnswer(
  body: AsyncIterable<Buffer>,
  spool: Spool,
  options: SpoolingOptions,
): Promise<SpooledAnswer> {
  const reader = new AnswerReader(spool, options);
  for await (const chunk of untilItBreaks(body, options.signal)) {
    for (let at = 0; at < chunk.length; at += sliceBytes) {
      if (at > 0) await nextTurn();
      const slice = chunk.subarray(at, at + sliceBytes);
      spool.write(() => reader.take(slice));
      options.guard?.check(reader.seen);
    }
  }
  return reader.end();
}

/** What breaks off, or is called off, is an answer that cannot be used; nobody waits for a piece that never comes. */
async function* untilItBreaks(body: AsyncIterable<Buffer>, signal: AbortSignal): AsyncGenerator<Buffer> {
  const pieces = body[Symbol.asyncIterator]();
  const { promise: calledOff, resolve } = Promise.withResolvers<undefined>();
  const callOff = () => resolve(undefined);
  signal.addEventListener('abort', callOff);
  if (signal.aborted) callOff();
  try {
    while (true) {
      const piece = await Promise.race([pieces.next(), calledOff]);
      if (piece === undefined) throw new BadAnswer('it was called off');
      if (piece.done === true) return;
      yield piece.value;
    }
  } catch (error) {
    throw error instanceof BadAnswer ? error : new BadAnswer('it broke off', { cause: error });
  } finally {
    signal.removeEventListener('abort', callOff);
    // Closes the connection; a piece that is still awaited would hold this up for ever.
    pieces.return?.().then(undefined, () => {});
  }
}

class AnswerReader {
  readonly #cutter: JsonCutter;
  readonly #spool: Spool;
  readonly #options: SpoolingOptions;
  readonly #members = new Map<string, unknown>();
  #events = 0;
  #stateEvents = 0;
  #joined = 0;
  #bad = 0;

  constructor(spool: Spool, options: SpoolingOptions) {
    this.#spool = spool;
    this.#options = options;
    const arrays = new Set(Object.keys(options.parts));
    this.#cutter = new JsonCutter({ arrays, members: new Set(options.members), maxBytes: maxPieceBytes, maxDepth });
  }

  take(chunk: Buffer): void {
    for (const piece of this.#cutter.push(chunk)) {
      const value = parseExactJson(piece.bytes, { maxDepth });
      if (value === undefined) throw new BadAnswer('a part is not JSON');
      if (piece.isItem) this.#event(piece, value);
      else this.#members.set(piece.key, value);
    }
  }

  get seen() {
    return { events: this.#events, stateEvents: this.#stateEvents, members: this.#joined };
  }

  end(): SpooledAnswer {
    this.#cutter.end();
    return { members: this.#members, bad: this.#bad };
  }

  #event({ key, bytes }: JsonPiece, value: unknown): void {
    const { rules, roomId, parts, maxEvents, without } = this.#options;
    const part = parts[key] as number;
    const read = readEvent(value, rules);
    const type = read.ok ? read.event.pdu.type : '';
    const stateKey = read.ok ? read.event.pdu.state_key : undefined;
    if (!read.ok || stateKey === undefined || roomIdOf(read.event.pdu, read.event.eventId) !== roomId) {
      this.#bad++;
      return;
    }
    const { pdu, eventId } = read.event;
    if (eventId === without) return;
    if (++this.#events > maxEvents) throw new BadAnswer('it has too many events');
    if (part === spoolParts.state) {
      this.#stateEvents++;
      if (type === 'm.room.member' && pdu.content['membership'] === 'join') this.#joined++;
    }
    const isFirst = this.#spool.put({
      eventId,
      part,
      authEvents: refIds(pdu.auth_events),
      type,
      stateKey,
      signers: neededSignatures(pdu, rules).map(({ server, signatures }) => ({
        server,
        keyIds: signatures.map(([keyId]) => keyId),
      })),
      ts: millis(Number.isSafeInteger(pdu.origin_server_ts) ? pdu.origin_server_ts : 0),
      body: bytes,
    });
    if (!isFirst) throw new BadAnswer('its state has two events for one key');
  }
}
