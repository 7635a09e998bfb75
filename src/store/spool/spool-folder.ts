import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Spool } from './spool.ts';

/** The folder of what is on its way into the database. Nothing in it outlives the process. */
export class SpoolFolder {
  readonly #path: string;
  #made = 0;

  /** `dataDir`: the folder it lies in. Removes what an earlier process has left. */
  constructor(dataDir: string) {
    this.#path = join(dataDir, 'spool');
    rmSync(this.#path, { recursive: true, force: true });
  }

  /** A new, empty spool; its file goes when it is disposed of. */
  create(): Spool {
    mkdirSync(this.#path, { recursive: true, mode: 0o700 });
    const file = join(this.#path, `${++this.#made}.db`);
    return new Spool(file, () => rmSync(file, { force: true }));
  }
}
