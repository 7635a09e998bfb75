import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import type { HttpCall, Piece, Reply } from '../../../src/api/http/types.ts';
import type { Transport, TransportRequest, TransportResult } from '../../../src/federation/transport.ts';
import { failure } from '../../../src/outbound/types.ts';

/** A server in the network: what it answers to a call. */
export type Node = (call: HttpCall, from: string) => Promise<Reply>;

export interface RecordedCall {
  readonly from: string;
  readonly to: string;
  readonly method: string;
  readonly uri: string;
  /** What was sent, parsed; `undefined` without a body. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into requests of every form
  readonly body: any;
  /** `undefined` until it is answered, and for good if it never is. */
  status: number | undefined;
}

/** Carries calls between servers of this process; connections can be cut, and everything that was said is on record. */
export class Network {
  readonly calls: RecordedCall[] = [];
  readonly #nodes = new Map<string, Node>();
  readonly #cut = new Set<string>();
  /** Calls that never arrive, whatever the connection is like. */
  swallows: ((call: RecordedCall) => boolean) | undefined;
  /** Turns of the event loop for which a call is on its way: a later one may overtake it. */
  turns: ((call: RecordedCall) => number) | undefined;
  /** Calls that arrive a second time, as from a server that has not had the answer; a number: so many turns later. */
  doubles: ((call: RecordedCall) => boolean | number) | undefined;
  /** What an answer waits for before it arrives. */
  holds: ((call: RecordedCall) => Promise<void> | undefined) | undefined;
  readonly #silent = new Set<string>();

  join(name: string, node: Node): void {
    this.#nodes.set(name, node);
  }

  leave(name: string): void {
    this.#nodes.delete(name);
  }

  /** What a server still says after it has been ended without notice is not heard. */
  silence(name: string, isSilent: boolean): void {
    if (isSilent) this.#silent.add(name);
    else this.#silent.delete(name);
  }

  /** Nothing passes between the two any more; answers on their way do not arrive either. */
  cut(one: string, other: string): void {
    this.#cut.add(`${one} ${other}`).add(`${other} ${one}`);
  }

  heal(one: string, other: string): void {
    this.#cut.delete(`${one} ${other}`);
    this.#cut.delete(`${other} ${one}`);
  }

  /** What `from` calls others by. */
  transportOf(from: string): Transport {
    return { send: (request) => this.#carry(from, request) };
  }

  async #carry(from: string, request: TransportRequest): Promise<TransportResult> {
    const { server: to, method, uri, body } = request;
    const call: RecordedCall = { from, to, method, uri, body: body && JSON.parse(body), status: undefined };
    this.calls.push(call);
    // Real calls are never answered at once.
    for (let turns = this.turns?.(call) ?? 1; turns > 0; turns--) await new Promise(setImmediate);
    const node = this.#nodes.get(to);
    const unreachable = () =>
      this.#cut.has(`${from} ${to}`) || this.#silent.has(from) || this.swallows?.(call) === true;
    if (node === undefined || unreachable()) return failure('connection', `${to} cannot be reached from ${from}`);
    const controller = new AbortController();
    request.signal?.addEventListener('abort', () => controller.abort(), { once: true });
    const aborted = new Promise<'aborted'>((resolve) =>
      controller.signal.addEventListener('abort', () => resolve('aborted'), { once: true }),
    );
    const again = this.doubles?.(call) ?? false;
    if (again !== false) void this.#again(request, from, Number(again));
    const reply = await Promise.race([node(callOf(request, controller.signal), from), aborted]);
    if (reply === 'aborted') return failure('aborted', 'it was called off');
    const hold = this.holds?.(call);
    const said = hold === undefined ? reply : await whole(reply);
    await hold;
    // A server that has ended meanwhile says nothing more.
    const hasEnded = this.#nodes.get(to) !== node;
    if (hasEnded || unreachable()) return failure('connection', `${to} was cut off from ${from}`);
    call.status = reply.status;
    return { ok: true, status: reply.status, headers: headersOf(reply), body: pieces(said, unreachable) };
  }

  /** Nobody hears the answer. */
  async #again(request: TransportRequest, from: string, turns: number): Promise<void> {
    for (let left = turns; left > 1; left--) await new Promise(setImmediate);
    await this.#nodes.get(request.server)?.(callOf(request, new AbortController().signal), from);
  }
}

function callOf({ method, uri, headers, body }: TransportRequest, signal: AbortSignal): HttpCall {
  const bytes = body === undefined ? undefined : Buffer.from(body);
  const lowered = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  return {
    method,
    url: uri,
    headers: { ...lowered, ...(bytes === undefined ? {} : { 'content-length': String(bytes.length) }) },
    stream: Readable.from(bytes === undefined || bytes.length === 0 ? [] : [bytes]),
    ip: '192.0.2.9',
    signal,
  };
}

function headersOf({ headers }: Reply): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

/** Says all that there is to say now: some answers are made while they are read. */
async function whole(reply: Reply): Promise<Reply> {
  const parts: Buffer[] = [];
  for await (const piece of pieces(reply, () => false)) parts.push(piece);
  return { ...reply, body: Buffer.concat(parts) };
}

async function* pieces({ body }: Reply, isCut: () => boolean): AsyncGenerator<Buffer> {
  const whole = typeof body === 'string' || Buffer.isBuffer(body) ? [body] : body;
  for await (const piece of whole as AsyncIterable<Piece>) {
    assert.ok(!isCut(), 'the connection was cut in the middle of an answer');
    yield Buffer.from(piece as string);
  }
}
