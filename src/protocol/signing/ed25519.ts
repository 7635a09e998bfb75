/**
 * One implementation of Ed25519. All agree on every input: a signature counts if its `S` is below the group order,
 * the key decodes, and encoding `S·B - h·A` gives the very bytes of `R` – no multiplication by the cofactor. That is
 * what OpenSSL, libsodium, Go and Rust do; a verifier that clears the cofactor accepts signatures which those refuse.
 */
export interface Ed25519 {
  publicKeyOf(seed: Uint8Array): Buffer;
  /** Prepares a key; what it returns signs. Signatures are deterministic. */
  signer(seed: Uint8Array): (message: Uint8Array) => Buffer;
  /** Prepares an acceptable public key (`isAcceptablePublicKey`); `undefined` if it is no point of the curve. */
  verifier(publicKey: Uint8Array): ((message: Uint8Array, signature: Uint8Array) => boolean) | undefined;
}

export const SEED_BYTES = 32;
export const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;

const p = 2n ** 255n - 19n;

/** The y coordinates of the eight points of small order (the points come in pairs that differ in the sign of x). */
const smallOrderY: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  p - 1n,
  2707385501144840649318225287225658788936804267575313519463743609750303402022n,
  p - 2707385501144840649318225287225658788936804267575313519463743609750303402022n,
]);

/**
 * Whether a public key may be used at all: 32 bytes, y below the field's prime, and not a point of small order, under
 * which one signature fits many messages. libsodium (and with it most of the federation) refuses the same keys, while
 * OpenSSL takes them; so they are turned away before any implementation sees them.
 */
export function isAcceptablePublicKey(publicKey: Uint8Array): boolean {
  if (publicKey.length !== PUBLIC_KEY_BYTES) return false;
  const y = littleEndian(publicKey) & (2n ** 255n - 1n);
  return y < p && !smallOrderY.has(y);
}

/** A whole number from little-endian bytes. */
export function littleEndian(bytes: Uint8Array): bigint {
  const hex = Buffer.from(bytes).reverse().toString('hex');
  return BigInt(`0x${hex}`);
}
