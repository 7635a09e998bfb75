import { encodeBase64 } from '../protocol/base64.ts';
import { asKeyId } from '../protocol/ids/key-id.ts';
import { SEED_BYTES } from '../protocol/signing/ed25519.ts';
import { SigningKey } from '../protocol/signing/keys.ts';
import type { Database } from '../store/db.ts';
import type { ServerKeyRow, ServerKeyStore } from '../store/server-keys.ts';
import type { SigningKeyFile } from '../store/signing-key-file.ts';
import type { Clock } from '../util/clock.ts';
import { type Random, randomLetters } from '../util/random.ts';
import type { SigningKeyAdmin, SigningKeyInfo } from './services.ts';

interface SigningKeysTools {
  readonly db: Database;
  readonly store: ServerKeyStore;
  readonly file: SigningKeyFile;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * The key that this server signs with, and the public halves of those it has used before. The file decides which key
 * is in use; the database follows it, at start-up too, so that a rotation cut short is completed.
 */
export class SigningKeys implements SigningKeyAdmin {
  readonly #tools: SigningKeysTools;
  #current: SigningKey;

  /** Reads the key, or makes the first one. Throws `KeyFileError` for a damaged file: a new key must not replace it. */
  constructor(tools: SigningKeysTools) {
    this.#tools = tools;
    this.#current = tools.file.read() ?? this.#make();
    this.#record();
  }

  /** The key to sign with now. It changes with a rotation: do not keep it. */
  get current(): SigningKey {
    return this.#current;
  }

  list(): readonly SigningKeyInfo[] {
    return this.#tools.store.list().map(infoOf);
  }

  rotate(): SigningKeyInfo {
    this.#current = this.#make();
    this.#record();
    const [inUse] = this.list();
    if (inUse === undefined) throw new Error('the key in use is not recorded');
    return inUse;
  }

  #make(): SigningKey {
    const { random, file } = this.#tools;
    const keyId = asKeyId(`ed25519:${randomLetters(random, 6)}`);
    const key = new SigningKey(keyId, random.bytes(SEED_BYTES));
    file.write(key);
    return key;
  }

  #record(): void {
    const { db, store, clock } = this.#tools;
    const { keyId, publicKey } = this.#current;
    db.write<void>(() => store.use(keyId, publicKey, clock.now()));
    db.syncNow();
  }
}

function infoOf(row: ServerKeyRow): SigningKeyInfo {
  return {
    keyId: row.keyId,
    publicKey: encodeBase64(row.publicKey),
    created: row.created,
    expired: row.expired ?? undefined,
  };
}
