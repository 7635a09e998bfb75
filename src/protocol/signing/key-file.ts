import { decodeBase64Lenient, encodeBase64 } from '../base64.ts';
import { isServerKeyId } from '../ids/key-id.ts';
import { SEED_BYTES } from './ed25519.ts';
import { SigningKey } from './keys.ts';

/** What is wrong with a line of a key file; never says anything of the secret itself. */
export class KeyFileError extends Error {
  readonly line: number;

  constructor(line: number, message: string) {
    super(`line ${line}: ${message}`);
    this.line = line;
  }
}

/**
 * Reads a file of signing keys, one `ed25519 version base64-seed` a line, as other homeservers write it. Empty lines
 * and lines that begin with `#` are skipped. The first key is the one to sign with. Throws `KeyFileError`.
 */
export function parseKeyFile(text: string): SigningKey[] {
  const keys: SigningKey[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const trimmed = line.trim();
    if (trimmed !== '' && !trimmed.startsWith('#')) keys.push(parseKeyLine(trimmed, index + 1));
  }
  if (keys.length === 0) throw new KeyFileError(1, 'the file holds no key');
  return keys;
}

function parseKeyLine(line: string, number: number): SigningKey {
  const [algorithm, version, seedText, ...rest] = line.split(/\s+/);
  if (version === undefined || seedText === undefined || rest.length > 0) {
    throw new KeyFileError(number, 'expected three words: the algorithm, a version and the seed');
  }
  if (algorithm !== 'ed25519') throw new KeyFileError(number, 'the only known algorithm is ed25519');
  const keyId = `${algorithm}:${version}`;
  if (!isServerKeyId(keyId)) {
    throw new KeyFileError(number, 'a version is made of letters, digits and underscores');
  }
  const seed = decodeBase64Lenient(seedText);
  if (seed?.length !== SEED_BYTES) throw new KeyFileError(number, `the seed must be ${SEED_BYTES} bytes in base64`);
  return new SigningKey(keyId, seed);
}

/** The text of a file with one signing key. */
export function formatKeyFile(key: SigningKey): string {
  const [algorithm, version] = key.keyId.split(':');
  return `${algorithm} ${version} ${encodeBase64(key.seed)}\n`;
}
