import type { EventId } from '../../protocol/ids/types.ts';
import { JsonCutError } from '../../protocol/json-stream/json-cutter.ts';
import { roomVersionRules } from '../../protocol/room-versions.ts';
import {
  type SettledEvent,
  Spool,
  type SpooledEntry,
  type SpooledKey,
  type SpooledSigner,
} from '../../store/spool/spool.ts';
import { AnswerReader, type ReadAnswer, type ReadingOptions, type SeenSoFar } from './answer-reader.ts';
import { type HandedEvent, SpoolVerifier } from './spool-verifier.ts';

/** What can be done with a spool. `file` is its file, which the first request begins and the last one closes. */
export type SpoolRequest = { readonly file: string } & (
  | { readonly op: 'begin'; readonly options: ReadingOptions }
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
  if (request.op === 'begin') {
    begin(request.file, request.options);
    return {};
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

function begin(file: string, options: ReadingOptions): void {
  const rules = roomVersionRules(options.version);
  if (rules === undefined) throw new Error('no such room version is known');
  const spool = new Spool(file);
  open.set(file, {
    spool,
    reader: new AnswerReader(spool, rules, options),
    verifier: new SpoolVerifier(spool, rules),
  });
}

function answer({ spool, reader, verifier }: OpenSpool, request: SpoolRequest): SpoolAnswer {
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
      spool.setKeys(request.keys);
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
    case 'begin':
    case 'close':
      return {};
    default:
      return pageOf(spool, request);
  }
}

type PageRequest = Extract<SpoolRequest, { readonly op: 'signers' | 'servers' | 'waiting' | 'outside' | 'state' }>;

function pageOf(spool: Spool, request: PageRequest): SpoolAnswer {
  const { after, limit } = request;
  switch (request.op) {
    case 'signers':
      return { signers: spool.signers(after, limit, request.onlyUrgent) };
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
