import { decodeBase64Lenient, encodeBase64 } from '../base64.ts';
import type { KeyId } from '../ids/types.ts';
import { type Ed25519, isAcceptablePublicKey, isAcceptableSignature, PUBLIC_KEY_BYTES, SEED_BYTES } from './ed25519.ts';
import { nobleEd25519 } from './ed25519-noble.ts';
import { nodeEd25519 } from './ed25519-node.ts';

/** The platform's Ed25519 where it has one (a FIPS build has none), else the one in JavaScript. */
export const ed25519: Ed25519 = platformHasEd25519() ? nodeEd25519 : nobleEd25519;

function platformHasEd25519(): boolean {
  try {
    nodeEd25519.signer(Buffer.alloc(SEED_BYTES))(Buffer.alloc(0));
    return true;
  } catch {
    return false;
  }
}

/** A private key with its name. Prepared once, signs often. */
export class SigningKey {
  readonly keyId: KeyId;
  readonly publicKey: Buffer;
  readonly #seed: Buffer;
  readonly #sign: (message: Uint8Array) => Buffer;

  /** `seed` is the 32 bytes that the key pair grows from; anything else throws `RangeError`. */
  constructor(keyId: KeyId, seed: Uint8Array, implementation: Ed25519 = ed25519) {
    if (seed.length !== SEED_BYTES) throw new RangeError(`an Ed25519 seed has ${SEED_BYTES} bytes`);
    this.keyId = keyId;
    this.#seed = Buffer.from(seed);
    this.publicKey = implementation.publicKeyOf(seed);
    this.#sign = implementation.signer(seed);
  }

  /** The secret half. For the key file only. */
  get seed(): Buffer {
    return this.#seed;
  }

  /** The 64 bytes of the signature of a message; a text stands for its UTF-8. */
  sign(message: string | Uint8Array): Buffer {
    return this.#sign(typeof message === 'string' ? Buffer.from(message) : message);
  }

  /** The public half as unpadded base64, as it is published. */
  get publicKeyBase64(): string {
    return encodeBase64(this.publicKey);
  }
}

/** A public key, prepared once so that checking many signatures is cheap. */
export class VerifyKey {
  readonly bytes: Buffer;
  readonly #verify: (message: Uint8Array, signature: Uint8Array) => boolean;

  private constructor(bytes: Buffer, verify: (message: Uint8Array, signature: Uint8Array) => boolean) {
    this.bytes = bytes;
    this.#verify = verify;
  }

  /** `undefined` unless the bytes are a point of the curve in its only encoding, and not of small order. */
  static from(bytes: Uint8Array, implementation: Ed25519 = ed25519): VerifyKey | undefined {
    if (!isAcceptablePublicKey(bytes)) return undefined;
    const verify = implementation.verifier(bytes);
    return verify && new VerifyKey(Buffer.from(bytes), verify);
  }

  /** The same from base64 as other servers and clients publish it, padded or not. */
  static fromBase64(text: string, implementation: Ed25519 = ed25519): VerifyKey | undefined {
    const bytes = decodeBase64Lenient(text);
    return bytes?.length === PUBLIC_KEY_BYTES ? VerifyKey.from(bytes, implementation) : undefined;
  }

  /** Whether `signature` was made over `message` (a text stands for its UTF-8) with the private half of this key. */
  verify(message: string | Uint8Array, signature: Uint8Array): boolean {
    if (!isAcceptableSignature(signature)) return false;
    return this.#verify(typeof message === 'string' ? Buffer.from(message) : message, signature);
  }

  /** The same for a signature in base64; `false` if it is not 64 bytes of base64. */
  verifyBase64(message: string | Uint8Array, signature: string): boolean {
    const bytes = decodeBase64Lenient(signature);
    return bytes !== undefined && this.verify(message, bytes);
  }
}
