import { chmodSync, closeSync, fsyncSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { formatKeyFile, parseKeyFile } from '../protocol/signing/key-file.ts';
import type { SigningKey } from '../protocol/signing/keys.ts';

/**
 * `signing.key` in the data folder: the secret half of the key that this server signs with, readable by its owner
 * only. It is a file of its own so that it can be kept apart from backups of the database.
 */
export class SigningKeyFile {
  readonly #path: string;

  constructor(dataDir: string) {
    this.#path = join(dataDir, 'signing.key');
  }

  /** The key to sign with; undefined if there is no file yet. Throws `KeyFileError` for a damaged one. */
  read(): SigningKey | undefined {
    let text: string;
    try {
      text = readFileSync(this.#path, 'utf8');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw error;
    }
    // A file that came out of a backup or from another server may be open to everybody.
    if ((statSync(this.#path).mode & 0o077) !== 0) chmodSync(this.#path, 0o600);
    return parseKeyFile(text)[0];
  }

  /** What the file holds, for a backup. */
  text(): string {
    return readFileSync(this.#path, 'utf8');
  }

  /** Replaces the file in one step: after a power cut it holds either the old key or the new one. */
  write(key: SigningKey): void {
    const temporary = `${this.#path}.new`;
    const file = openSync(temporary, 'w', 0o600);
    try {
      writeSync(file, formatKeyFile(key));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, this.#path);
    const folder = openSync(dirname(this.#path), 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  }
}
