import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Where a spool is to lie; its file is removed when it is disposed of. */
export interface SpoolPlace extends Disposable {
  readonly file: string;
}

/** The folder of what is on its way into the database. Nothing in it outlives the process. */
export class SpoolFolder {
  readonly #path: string;
  #made = 0;

  /** `dataDir`: the folder it lies in. Removes what an earlier process has left. */
  constructor(dataDir: string) {
    this.#path = join(dataDir, 'spool');
    rmSync(this.#path, { recursive: true, force: true });
  }

  /** A place for a new spool. */
  create(): SpoolPlace {
    mkdirSync(this.#path, { recursive: true, mode: 0o700 });
    const file = join(this.#path, `${++this.#made}.db`);
    return { file, [Symbol.dispose]: () => rmSync(file, { force: true }) };
  }
}
