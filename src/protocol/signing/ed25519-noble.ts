import { getPublicKey, hashes, Point, sign } from '@noble/ed25519';
import { sha512 } from '@noble/hashes/sha2.js';
import { type Ed25519, littleEndian, SIGNATURE_BYTES } from './ed25519.ts';

// The library leaves the choice of the hash to its user.
hashes.sha512 = sha512;

const order = Point.CURVE().n;

/** Ed25519 in JavaScript: the reference, and what runs where the platform has no native Ed25519. */
export const nobleEd25519: Ed25519 = {
  publicKeyOf: (seed) => Buffer.from(getPublicKey(seed)),

  signer: (seed) => {
    const own = Uint8Array.from(seed);
    return (message) => Buffer.from(sign(message, own));
  },

  verifier(publicKey) {
    const point = pointOf(publicKey);
    if (point === undefined) return undefined;
    const key = Uint8Array.from(publicKey);
    return (message, signature) => verify(message, signature, key, point);
  },
};

// The library's own verify clears the cofactor in both of its modes; the equation without it needs only its points.
function verify(message: Uint8Array, signature: Uint8Array, key: Uint8Array, point: Point): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false;
  const r = signature.subarray(0, 32);
  const s = littleEndian(signature.subarray(32));
  if (s >= order) return false;
  const digest = sha512.create().update(r).update(key).update(message).digest();
  const h = littleEndian(digest) % order;
  const expected = Point.BASE.multiply(s, false).add(point.negate().multiply(h, false));
  return Buffer.from(expected.toBytes()).equals(r);
}

function pointOf(publicKey: Uint8Array): Point | undefined {
  try {
    return Point.fromBytes(Uint8Array.from(publicKey));
  } catch {
    return undefined;
  }
}
