import type { Gates } from '../../governor/gates.ts';
import { untilAborted } from '../../outbound/until-aborted.ts';
import type { EventId, RoomId } from '../../protocol/ids/types.ts';
import { parseExactJson } from '../../protocol/parse-json.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import { type SettledEvent, spoolParts } from '../../store/spool/spool.ts';
import type { SpoolFolder, SpoolNote, SpoolPlace } from '../../store/spool/spool-folder.ts';
import type { SpooledKey } from '../../store/spool/spool-signers.ts';
import { sha256 } from '../../util/hash.ts';
import type { SeenSoFar } from '../../workers/spool/answer-reader.ts';
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
/** Events of a kept answer that are made ready in one step. */
const anewTogether = 1000;
/**
 * So large an answer outlives the process: a slow line takes some seconds for it. The whole of a small one is fetched
 * sooner than it is synced to an SD card.
 */
const worthKeeping = 1024 * 1024;
/** Brought to the disk in steps while it comes in: all at once would hold up what others wait to see written. */
const syncedTogether = 8 * 1024 * 1024;
/** An answer that so many processes have not got through is thrown away: it may be what ended them. */
const mostTaken = 5;

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

export interface AnswerSpoolsUses {
  readonly spools: SpoolFolder;
  readonly workers: WorkerPool;
  /** What ends the reading of an answer when the disk gets full. */
  readonly gates?: Pick<Gates, 'requireWrite'>;
}

/** What is kept of an answer. */
export type KeptAbout = Pick<SpoolNote, 'roomId' | 'joinEvent' | 'form' | 'since'>;

/** Makes spools, which live in the worker. */
export class AnswerSpools {
  readonly #uses: AnswerSpoolsUses;

  constructor(uses: AnswerSpoolsUses) {
    this.#uses = uses;
  }

  create(): AnswerSpool {
    return new AnswerSpool(this.#uses.spools.create(), this.#uses);
  }

  /**
   * The answer about a join that an earlier process had not taken over, ready to be taken over from its beginning.
   * `undefined`: there is none, or it is damaged. Throws what the guard throws.
   */
  async takeUp(
    { roomId, joinEvent }: Pick<SpoolNote, 'roomId' | 'joinEvent'>,
    options: Pick<SpoolingOptions, 'rules' | 'guard' | 'signal'>,
  ): Promise<{ readonly spool: AnswerSpool; readonly form: SpoolNote['form'] } | undefined> {
    const kept = this.#uses.spools.take(roomId, joinEvent);
    if (kept === undefined) return undefined;
    await using stack = new AsyncDisposableStack();
    const spool = stack.use(new AnswerSpool(kept.place, this.#uses));
    const { note } = kept;
    if (note.taken >= mostTaken) return undefined;
    if (!(await spool.takeUp(note, options))) return undefined;
    stack.move();
    return { spool, form: note.form };
  }

  /** Removes answers of earlier processes that nobody will ask for. */
  dropKept(isUseless: (note: SpoolNote) => boolean): void {
    this.#uses.spools.drop(isUseless);
  }

  /** The process is about to end: complete answers stay for the next one. */
  end(): void {
    this.#uses.spools.end();
  }
}

/**
 * A large answer in a file of its own. Cutting it up, hashing and checking signatures happen beside the main thread;
 * what is in memory at a time is less than a megabyte, however large the answer.
 */
export class AnswerSpool implements AsyncDisposable {
  readonly #place: SpoolPlace;
  readonly #uses: Omit<AnswerSpoolsUses, 'spools'>;
  /** The worker remembers what it has open. */
  readonly #release: () => void;
  #seen: SeenSoFar = { events: 0, bytes: 0, stateEvents: 0, members: 0, servers: 0 };
  #read = 0;
  #syncing: Promise<void> | undefined;
  #keeping: Promise<void> | undefined;
  #isOver = false;

  constructor(place: SpoolPlace, uses: Omit<AnswerSpoolsUses, 'spools'>) {
    this.#place = place;
    this.#uses = uses;
    this.#release = uses.workers.hold();
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
        this.#uses.gates?.requireWrite();
        if (seen === undefined) return;
        this.#seen = seen;
        guard?.check(seen);
      } catch (cause) {
        failure ??= { cause };
      }
    };
    for await (const chunk of untilItBreaks(body, signal)) {
      this.#syncSome(chunk.length);
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
   * From some moment on the answer, which was read completely, is there for the next process, should this one end before
   * it is taken over. Nobody waits for that; if it fails, the next process asks again.
   */
  keep(about: KeptAbout): void {
    if (this.#seen.bytes < worthKeeping || this.#keeping !== undefined) return;
    this.#keeping = this.#keep(about).catch(() => {});
  }

  async #keep(about: KeptAbout): Promise<void> {
    await this.#syncing;
    await this.#place.sync();
    const digest = await this.#digest();
    if (digest !== undefined) await this.#place.keep({ ...about, ...this.#seen, digest, taken: 0 });
  }

  /** Makes a kept answer ready to be taken over. False: it is damaged. In place of `read`. */
  async takeUp(note: SpoolNote, { rules, guard }: Pick<SpoolingOptions, 'rules' | 'guard'>): Promise<boolean> {
    guard?.check(note);
    if ((await this.#digest()) !== note.digest) return false;
    await this.#place.keep({ ...note, taken: note.taken + 1 });
    const options = { roomId: note.roomId, version: rules.version, parts: {}, members: [], maxEvents: 0 };
    await this.#run({ op: 'again', options });
    let after: number | undefined = 0;
    while (after !== undefined) {
      after = (await this.#run({ op: 'progress', after, limit: anewTogether })).next;
    }
    return true;
  }

  /** What is in the file; `undefined`: it is not wanted any more. */
  async #digest(): Promise<string | undefined> {
    let all = '';
    for (let piece = 0; !this.#isOver; piece++) {
      const { digest } = await this.#run({ op: 'digest', piece });
      if (digest === undefined) return all;
      all = sha256(all + digest).toString('base64');
    }
    return undefined;
  }

  #syncSome(bytes: number): void {
    this.#read += bytes;
    if (this.#read < syncedTogether || this.#syncing !== undefined) return;
    this.#read = 0;
    this.#syncing = this.#place
      .sync()
      .catch(() => {})
      .finally(() => {
        this.#syncing = undefined;
      });
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
    this.#isOver = true;
    await this.#syncing;
    await this.#keeping;
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
    return this.#uses.workers.run('spool', { ...operation, file: this.#place.file }, given);
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
