import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { EventId, RoomId } from '../../protocol/ids/types.ts';
import { isJsonObject } from '../../util/json.ts';
import { progressFile, spoolFormat } from './spool-schema.ts';

/** What a spool was of, and how to know that all of it has reached the disk. */
export interface SpoolNote {
  readonly roomId: RoomId;
  /** Our join: what is in the spool is the state before it. */
  readonly joinEvent: EventId;
  /** The answer to the join itself, or to a question for the state. */
  readonly form: 'join' | 'state';
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** What the answer held, for the limits. */
  readonly events: number;
  readonly bytes: number;
  readonly stateEvents: number;
  readonly members: number;
  readonly servers: number;
  readonly digest: string;
  /** How many processes have gone on with it. */
  readonly taken: number;
}

/** Where a spool is to lie; its files are removed when it is disposed of. */
export interface SpoolPlace extends Disposable {
  readonly file: string;
  /** What was written so far is safe on the disk. */
  sync(): Promise<void>;
  /** From now on the next process finds it, whatever ends this one. After `sync`, and when nothing of it is written any more. */
  keep(note: SpoolNote): Promise<void>;
}

/** A complete answer that an earlier process had not taken over. */
export interface KeptSpool {
  readonly note: SpoolNote;
  readonly place: SpoolPlace;
}

/** As many as there are at a time, and some. */
const mostKept = 8;

/**
 * The folder of what is on its way into the database. Nothing in it outlives the process but a spool with a note, which
 * is written once all of it is on the disk.
 */
export class SpoolFolder {
  readonly #path: string;
  readonly #kept: KeptSpool[] = [];
  #made = 0;
  #isEnding = false;

  /** `dataDir`: the folder it lies in. Removes what an earlier process has left, but what is complete. */
  constructor(dataDir: string) {
    this.#path = join(dataDir, 'spool');
    const found = this.#find();
    const names = new Set(found.flatMap(({ name }) => [name, noteFile(name)]));
    for (const name of list(this.#path)) {
      if (!names.has(name)) rmSync(join(this.#path, name), { recursive: true, force: true });
    }
    if (found.length === 0) rmSync(this.#path, { recursive: true, force: true });
    for (const { name, note } of found) {
      this.#made = Math.max(this.#made, Number.parseInt(name, 10));
      this.#kept.push({ note, place: this.#place(name, true) });
    }
  }

  /** A place for a new spool. */
  create(): SpoolPlace {
    mkdirSync(this.#path, { recursive: true, mode: 0o700 });
    return this.#place(`${++this.#made}.db`, false);
  }

  /** The answer about a join that an earlier process had not taken over, which is the caller's from then on. */
  take(roomId: RoomId, joinEvent: EventId): KeptSpool | undefined {
    const at = this.#kept.findIndex(({ note }) => note.roomId === roomId && note.joinEvent === joinEvent);
    return at < 0 ? undefined : this.#kept.splice(at, 1)[0];
  }

  /** Removes those that nobody will ask for. */
  drop(isUseless: (note: SpoolNote) => boolean): void {
    for (const kept of [...this.#kept]) {
      if (!isUseless(kept.note)) continue;
      this.#kept.splice(this.#kept.indexOf(kept), 1);
      kept.place[Symbol.dispose]();
    }
  }

  /** The process is about to end: what has a note stays for the next one. */
  end(): void {
    this.#isEnding = true;
  }

  #place(name: string, hasNote: boolean): SpoolPlace {
    const file = join(this.#path, name);
    let isNoted = hasNote;
    return {
      file,
      sync: () => synced(file),
      keep: async (note) => {
        await writeNote(this.#path, name, note);
        isNoted = true;
      },
      [Symbol.dispose]: () => {
        rmSync(progressFile(file), { force: true });
        if (isNoted && this.#isEnding) return;
        // The note first: without it the rest is nothing.
        rmSync(join(this.#path, noteFile(name)), { force: true });
        rmSync(file, { force: true });
      },
    };
  }

  #find(): { readonly name: string; readonly note: SpoolNote }[] {
    return list(this.#path)
      .filter((name) => /^\d{1,9}\.db$/.test(name))
      .slice(0, mostKept)
      .flatMap((name) => {
        const note = readNote(this.#path, name);
        return note === undefined ? [] : [{ name, note }];
      });
  }
}

const noteFile = (name: string): string => `${name}.json`;

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** `undefined`: there is none, it is of another program, or of another file than this. */
function readNote(path: string, name: string): SpoolNote | undefined {
  try {
    const note: unknown = JSON.parse(readFileSync(join(path, noteFile(name)), 'utf8'));
    const { size } = statSync(join(path, name));
    return isJsonObject(note) && note['format'] === spoolFormat && note['size'] === size
      ? (note as unknown as SpoolNote)
      : undefined;
  } catch {
    return undefined;
  }
}

/** There at once and as a whole, or not at all. */
async function writeNote(path: string, name: string, note: SpoolNote): Promise<void> {
  const target = join(path, noteFile(name));
  const fresh = `${target}.new`;
  const { size } = statSync(join(path, name));
  const file = await open(fresh, 'w', 0o600);
  try {
    await file.writeFile(JSON.stringify({ ...note, size, format: spoolFormat }));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(fresh, target);
  await synced(path);
}

async function synced(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
