import { untilAborted } from '../../outbound/until-aborted.ts';
import type { EventId, RoomId } from '../../protocol/ids/types.ts';
import { parseExactJson } from '../../protocol/parse-json.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import { type SettledEvent, type SpooledKey, spoolParts } from '../../store/spool/spool.ts';
import type { SpoolFolder, SpoolPlace } from '../../store/spool/spool-folder.ts';
import type { SpoolAnswer, SpoolRequest } from '../../workers/spool/spool-jobs.ts';
import type { WorkerPool } from '../../workers/worker-pool.ts';
import type { EntryGuard } from '../limits/room-limits.ts';

/** An answer that cannot be used, whatever its events are. The message is for the log. */
export class BadAnswer extends Error {}

/** Sent to the worker in one piece: some milliseconds' work, so that others have their turn there. */
const pieceBytes = 32 * 1024;
/** Pieces on their way to the worker: half a megabyte. */
const credit = 16;
/** Events that the worker hands back at once, and their bytes; one event may be larger. */
const handedTogether = 100;
const handedBytes = 256 * 1024;
/** Events that are looked at for what they cite in one step. */
const urgedTogether = 200;

export interface SpoolingOptions {
  readonly roomId: RoomId;
  readonly rules: RoomVersionRules;
  /** Which members hold events, and what they are. */
  readonly parts: Readonly<Record<string, number>>;
  /** The member that names the servers in the room; those of joined members of the state are added. */
  readonly servers?: string;
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
  /** Events that were kept, some of them twice, and events that are none of the room. */
  readonly events: number;
  readonly bad: number;
  readonly stateEvents: number;
}

/** `state` and `auth_chain` of an answer to send_join. */
export const joinParts: Readonly<Record<string, number>> = {
  state: spoolParts.state,
  auth_chain: spoolParts.authChain,
};

/** `pdus` and `auth_chain` of an answer to a question for the state at an event. */
export const stateParts: Readonly<Record<string, number>> = {
  pdus: spoolParts.state,
  auth_chain: spoolParts.authChain,
};

type Operation = SpoolRequest extends infer R ? (R extends SpoolRequest ? Omit<R, 'file'> : never) : never;

/** Makes spools, which live in the worker. */
export class AnswerSpools {
  readonly #folder: SpoolFolder;
  readonly #workers: WorkerPool;

  constructor(folder: SpoolFolder, workers: WorkerPool) {
    this.#folder = folder;
    this.#workers = workers;
  }

  create(): AnswerSpool {
    return new AnswerSpool(this.#folder.create(), this.#workers);
  }
}

/**
 * A large answer in a file of its own. Cutting it up, hashing and checking signatures happen beside the main thread;
 * what is in memory at a time is less than a megabyte, however large the answer.
 */
export class AnswerSpool implements AsyncDisposable {
  readonly #place: SpoolPlace;
  readonly #workers: WorkerPool;
  /** The worker remembers what it has open. */
  readonly #release: () => void;

  constructor(place: SpoolPlace, workers: WorkerPool) {
    this.#place = place;
    this.#workers = workers;
    this.#release = workers.hold();
  }

  /**
   * Reads an answer as it comes, and keeps its events, one at a time: format and hashes are looked at, signatures are
   * not. Throws `BadAnswer` for an answer that is none, and what the guard throws. Once, before all else.
   */
  async read(body: AsyncIterable<Buffer>, options: SpoolingOptions): Promise<SpooledAnswer> {
    const { signal, rules, guard, ...rest } = options;
    await this.#run({ op: 'begin', options: { ...rest, version: rules.version } });
    const sent: Promise<void>[] = [];
    let failure: { readonly cause: unknown } | undefined;
    const send = async (chunk: Uint8Array<ArrayBuffer>): Promise<void> => {
      try {
        const { seen } = await this.#asked({ op: 'read', chunk }, [chunk.buffer]);
        if (seen !== undefined) guard?.check(seen);
      } catch (cause) {
        failure ??= { cause };
      }
    };
    for await (const chunk of untilItBreaks(body, signal)) {
      for (let at = 0; at < chunk.length; at += pieceBytes) {
        // A copy of its own, which goes to the worker as it is: what stayed here would wait long to be collected, as
        // little else happens meanwhile.
        sent.push(send(new Uint8Array(chunk.subarray(at, at + pieceBytes))));
        if (sent.length >= credit) await sent.shift();
        if (failure !== undefined) throw failure.cause;
      }
    }
    await Promise.all(sent);
    if (failure !== undefined) throw failure.cause;
    const { read } = await this.#asked({ op: 'end' });
    const members = new Map((read?.members ?? []).map(([key, text]) => [key, parseExactJson(text)]));
    const { events = 0, bad = 0, stateEvents = 0 } = read ?? {};
    return { members, events, bad, stateEvents };
  }

  /**
   * Has these events, the state without its members, and all that they cite handed out before the others, as far as
   * they are here.
   */
  async urge(ids: readonly EventId[]): Promise<void> {
    let given = ids;
    let urged = urgedTogether;
    while (urged === urgedTogether) {
      urged = (await this.#run({ op: 'urge', ids: given, limit: urgedTogether })).urged ?? 0;
      given = [];
    }
  }

  /**
   * Servers and keys that signed, in the order in which they came: those whose public keys are not known yet, or those
   * that signed what is urgent.
   */
  async signers(after: number, limit: number, onlyUrgent: boolean) {
    return (await this.#run({ op: 'signers', after, limit, onlyUrgent })).signers ?? [];
  }

  /** A page of the servers that are in the room, by the word of the answer. */
  async servers(after: number, limit: number) {
    return (await this.#run({ op: 'servers', after, limit })).servers ?? [];
  }

  /** A page of the events that nothing is known of yet but what they say. */
  async waiting(after: number, limit: number) {
    return (await this.#run({ op: 'waiting', after, limit })).waiting ?? [];
  }

  /** Public keys that were found out. */
  async setKeys(keys: readonly SpooledKey[]): Promise<void> {
    await this.#run({ op: 'keys', keys });
  }

  /** Events cited as authorising that are not among these. */
  async outside(after: number, limit: number) {
    return (await this.#run({ op: 'outside', after, limit })).outside ?? [];
  }

  /** Cited events that are stored elsewhere: those that cite them need not wait for them. */
  async known(nids: readonly number[]): Promise<void> {
    await this.#run({ op: 'known', nids });
  }

  /** Some events whose signatures are right, behind all that they cite; `undefined` if none is ready. Each once. */
  async verified(onlyUrgent: boolean) {
    const { verified = [], looked } = await this.#run({
      op: 'verified',
      limit: handedTogether,
      maxBytes: handedBytes,
      onlyUrgent,
    });
    return looked === 0 ? undefined : verified;
  }

  /** Records what became of events. */
  async settle(events: readonly SettledEvent[]): Promise<void> {
    if (events.length > 0) await this.#run({ op: 'settle', events });
  }

  /** The event of the state under a key. */
  async entry(type: string, stateKey: string) {
    return (await this.#run({ op: 'entry', type, stateKey })).entry;
  }

  /** A page of the state: what was taken of it. */
  async state(after: number, limit: number) {
    return (await this.#run({ op: 'state', after, limit })).state ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      // Without its thread it is closed already.
      await this.#run({ op: 'close' }).catch(() => {});
    } finally {
      this.#release();
      this.#place[Symbol.dispose]();
    }
  }

  async #asked(operation: Operation, given: readonly ArrayBuffer[] = []): Promise<SpoolAnswer> {
    const answer = await this.#run(operation, given);
    if (answer.refused !== undefined) throw new BadAnswer(answer.refused);
    return answer;
  }

  #run(operation: Operation, given: readonly ArrayBuffer[] = []): Promise<SpoolAnswer> {
    return this.#workers.run('spool', { ...operation, file: this.#place.file }, given);
  }
}

/** What breaks off, or is called off, is an answer that cannot be used; nobody waits for a piece that never comes. */
async function* untilItBreaks(body: AsyncIterable<Buffer>, signal: AbortSignal): AsyncGenerator<Buffer> {
  const pieces = body[Symbol.asyncIterator]();
  try {
    while (true) {
      // Not by a race against one promise for the whole answer: it would hold every piece until the end.
      const piece = await untilAborted(pieces.next(), signal);
      if (piece.done === true) return;
      yield piece.value;
    }
  } catch (cause) {
    throw new BadAnswer(signal.aborted ? 'it was called off' : 'it broke off', { cause });
  } finally {
    // Closes the connection; a piece that is still awaited would hold this up for ever.
    pieces.return?.().then(undefined, () => {});
  }
}
