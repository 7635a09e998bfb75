import type { EventId } from '../../protocol/ids/types.ts';
import { JsonCutError } from '../../protocol/json-stream/json-cutter.ts';
import { roomVersionRules } from '../../protocol/room-versions.ts';
import { digestOfPiece } from '../../store/spool/file-digest.ts';
import { type SettledEvent, Spool, type SpooledEntry } from '../../store/spool/spool.ts';
import type { SpooledKey, SpooledSigner } from '../../store/spool/spool-signers.ts';
import { AnswerReader, type ReadAnswer, type ReadingOptions, type SeenSoFar } from './answer-reader.ts';
import { type HandedEvent, SpoolVerifier } from './spool-verifier.ts';

/**
 * What can be done with a spool. `file` is its file, which the first request begins, or takes up again, and the last one
 * closes.
 */
export type SpoolRequest = { readonly file: string } & (
  | { readonly op: 'begin'; readonly options: ReadingOptions }
  /** The answer is complete and was kept: what is known of it is asked for as `progress`, then it can be taken over. */
  | { readonly op: 'again'; readonly options: ReadingOptions }
  | { readonly op: 'progress'; readonly after: number; readonly limit: number }
  /** Of a piece of the file, opened or not. */
  | { readonly op: 'digest'; readonly piece: number }
  | { readonly op: 'read'; readonly chunk: Uint8Array }
  | { readonly op: 'end' }
  | { readonly op: 'signers'; readonly after: number; readonly limit: number; readonly onlyUrgent: boolean }
  | { readonly op: 'servers'; readonly after: number; readonly limit: number }
  | { readonly op: 'waiting'; readonly after: number; readonly limit: number }
  /** Marks what is to be taken first: these, the state without its members, and what all that cites. In steps. */
  | { readonly op: 'urge'; readonly ids: readonly EventId[]; readonly limit: number }
  | { readonly op: 'keys'; readonly keys: readonly SpooledKey[] }
  | { readonly op: 'outside'; readonly after: number; readonly limit: number }
  | { readonly op: 'known'; readonly nids: readonly number[] }
  | { readonly op: 'settle'; readonly events: readonly SettledEvent[] }
  /** Events that may be taken now, or the one of the state under a key. */
  | { readonly op: 'verified'; readonly limit: number; readonly maxBytes: number; readonly onlyUrgent: boolean }
  | { readonly op: 'entry'; readonly type: string; readonly stateKey: string }
  | { readonly op: 'state'; readonly after: number; readonly limit: number }
  | { readonly op: 'close' }
);

export interface SpoolAnswer {
  /** Why the text cannot be used. */
  readonly refused?: string;
  readonly seen?: SeenSoFar;
  /** `undefined` behind the end of the file. */
  readonly digest?: string;
  /** Where `progress` goes on, if there is more. */
  readonly next?: number;
  readonly read?: ReadAnswer;
  readonly signers?: SpooledSigner[];
  readonly servers?: ReturnType<Spool['servers']['page']>;
  readonly waiting?: ReturnType<Spool['waiting']>;
  /** How many were marked by `urge`. */
  readonly urged?: number;
  readonly outside?: { readonly nid: number; readonly eventId: EventId }[];
  readonly verified?: HandedEvent[];
  /** How many were looked at for `verified`. */
  readonly looked?: number;
  readonly entry?: SpooledEntry;
  readonly state?: ReturnType<Spool['state']>;
}

interface OpenSpool {
  readonly spool: Spool;
  readonly reader: AnswerReader;
  readonly verifier: SpoolVerifier;
}

// Rooms that are being entered; the main thread bounds them. They stay open for the thread's short life.
const open = new Map<string, OpenSpool>();

export function runSpoolJob(request: SpoolRequest): SpoolAnswer {
  if (request.op === 'begin' || request.op === 'again') {
    begin(request.file, request.options, request.op === 'begin');
    return {};
  }
  if (request.op === 'digest') {
    const digest = digestOfPiece(request.file, request.piece);
    return digest === undefined ? {} : { digest };
  }
  const found = open.get(request.file);
  if (request.op === 'close') {
    open.delete(request.file);
    found?.spool[Symbol.dispose]();
    return {};
  }
  if (found === undefined) throw new Error('no such spool is open');
  try {
    return found.spool.write(() => answer(found, request));
  } catch (error) {
    if (error instanceof JsonCutError) return { refused: error.message };
    throw error;
  }
}

function begin(file: string, options: ReadingOptions, isNew: boolean): void {
  const rules = roomVersionRules(options.version);
  if (rules === undefined) throw new Error('no such room version is known');
  const spool = new Spool(file, isNew);
  open.set(file, {
    spool,
    reader: new AnswerReader(spool, rules, options),
    verifier: new SpoolVerifier(spool, rules),
  });
}

type OpenRequest = Exclude<SpoolRequest, { readonly op: 'begin' | 'again' | 'digest' | 'close' }>;

function answer({ spool, reader, verifier }: OpenSpool, request: OpenRequest): SpoolAnswer {
  switch (request.op) {
    case 'read':
      reader.take(Buffer.from(request.chunk.buffer, request.chunk.byteOffset, request.chunk.byteLength));
      return { seen: reader.seen };
    case 'end':
      return { read: reader.end() };
    case 'urge':
      spool.urgency.urge(request.ids);
      return { urged: reader.urgeSome(request.limit) };
    case 'keys':
      spool.signers.setKeys(request.keys);
      return {};
    case 'known':
      spool.known(request.nids);
      return {};
    case 'settle':
      spool.settle(request.events);
      return {};
    case 'verified': {
      const waiting = spool.ready(request.limit, request.maxBytes, request.onlyUrgent);
      return { verified: verifier.verify(waiting), looked: waiting.length };
    }
    case 'entry': {
      const entry = spool.entry(request.type, request.stateKey);
      return entry === undefined ? {} : { entry };
    }
    case 'progress': {
      const next = spool.beginAnew(request.after, request.limit);
      return next === undefined ? {} : { next };
    }
    default:
      return pageOf(spool, request);
  }
}

type PageRequest = Extract<SpoolRequest, { readonly op: 'signers' | 'servers' | 'waiting' | 'outside' | 'state' }>;

function pageOf(spool: Spool, request: PageRequest): SpoolAnswer {
  const { after, limit } = request;
  switch (request.op) {
    case 'signers':
      return { signers: spool.signers.page(after, limit, request.onlyUrgent) };
    case 'servers':
      return { servers: spool.servers.page(after, limit) };
    case 'waiting':
      return { waiting: spool.waiting(after, limit) };
    case 'outside':
      return { outside: spool.outside(after, limit) };
    case 'state':
      return { state: spool.state(after, limit) };
  }
}

/** Closes what is open, before the thread ends. */
export function closeSpools(): void {
  for (const { spool } of open.values()) spool[Symbol.dispose]();
  open.clear();
}
