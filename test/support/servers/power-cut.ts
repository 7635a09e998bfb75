import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Records what each file below a folder held at its last fsync, from outside of the program that writes it. */
export class PowerCutRecorder {
  readonly #library: string;
  readonly #watched: string;
  readonly #record: string;

  private constructor(library: string, watched: string, record: string) {
    this.#library = library;
    this.#watched = watched;
    this.#record = record;
  }

  /** Whether the machine has a C compiler. */
  static isPossible(): boolean {
    return spawnSync('cc', ['--version'], { stdio: 'ignore' }).status === 0;
  }

  /** Compiles the recorder into `dir`. Undefined where the machine has no C compiler. */
  static prepare(dir: string, watched: string): PowerCutRecorder | undefined {
    const library = join(dir, 'sync-recorder.so');
    const record = join(dir, 'last-synced');
    mkdirSync(record, { recursive: true });
    try {
      execFileSync('cc', [
        '-shared',
        '-fPIC',
        '-O1',
        '-o',
        library,
        join(import.meta.dirname, 'sync-recorder.c'),
        '-ldl',
        '-lpthread',
      ]);
    } catch (problem) {
      if ((problem as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw problem;
    }
    return new PowerCutRecorder(library, watched, record);
  }

  /** The environment that makes a program record. */
  get env(): NodeJS.ProcessEnv {
    return { LD_PRELOAD: this.#library, SYNC_WATCH: this.#watched, SYNC_RECORD: this.#record };
  }

  /** Puts the watched folder into the state of the power cut: every file as of its last fsync, the others gone. */
  cutPower(): void {
    rmSync(this.#watched, { recursive: true, force: true });
    mkdirSync(this.#watched, { recursive: true });
    for (const name of readdirSync(this.#record)) {
      if (name.startsWith('.fresh-')) continue;
      const target = join(this.#watched, name.replaceAll('%', '/'));
      mkdirSync(dirname(target), { recursive: true });
      cpSync(join(this.#record, name), target);
    }
  }
}
