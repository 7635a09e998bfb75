import { type KeyObject, verify } from 'node:crypto';
import { decodeBase64Lenient } from '../../protocol/base64.ts';
import { isAcceptableSignature } from '../../protocol/signing/ed25519.ts';
import { nodeEd25519, publicKeyObject } from '../../protocol/signing/ed25519-node.ts';
import { ed25519, type VerifyKey } from '../../protocol/signing/keys.ts';

/**
 * Signatures checked at once, beside the main thread. libuv's pool has few threads for the whole process, files and
 * compression included: more would only wait there and hold up the others.
 */
const atOnce = 4;

/** Checks signatures without keeping the main thread: one takes longer than all the rest of an event. */
export class SignatureBench {
  /** As the platform reads keys; goes with the key. */
  readonly #objects = new WeakMap<VerifyKey, KeyObject>();
  #running = 0;
  /** As long as the lists of events that are being verified, which their callers bound. */
  readonly #waiting: (() => void)[] = [];

  /** Whether `signature` (base64) over `message` was made with the private half of `key`. */
  async verify(key: VerifyKey, message: Uint8Array, signature: string): Promise<boolean> {
    const bytes = decodeBase64Lenient(signature);
    if (bytes === undefined || !isAcceptableSignature(bytes)) return false;
    // Without Ed25519 of the platform there is nothing that could be done elsewhere.
    if (ed25519 !== nodeEd25519) return key.verify(message, bytes);
    await this.#turn();
    try {
      return await verifyBeside(this.#object(key), message, bytes);
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  #object(key: VerifyKey): KeyObject {
    let object = this.#objects.get(key);
    if (object === undefined) {
      object = publicKeyObject(key.bytes);
      this.#objects.set(key, object);
    }
    return object;
  }

  async #turn(): Promise<void> {
    while (this.#running >= atOnce) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running++;
  }
}

function verifyBeside(key: KeyObject, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  return new Promise((resolve, reject) => {
    verify(null, message, key, signature, (error, valid) => {
      if (error === null) resolve(valid);
      else reject(error);
    });
  });
}
