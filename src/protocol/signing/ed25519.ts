/**
 * One implementation of Ed25519. All agree on what `isAcceptablePublicKey` and `isAcceptableSignature` let through: a
 * signature counts if its `S` is below the group order, the key decodes, and encoding `S·B - h·A` gives the very bytes
 * of `R` – no multiplication by the cofactor. That is what OpenSSL, libsodium, Go and Rust do; a verifier that clears
 * the cofactor accepts signatures which those refuse.
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

const order8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022n;

/** The y coordinates of the eight points of small order, encoded; the points come in pairs that differ in x's sign. */
const smallOrder: ReadonlySet<string> = new Set([0n, 1n, p - 1n, order8, p - order8].map(encodeY));

/**
 * Whether a public key may be used at all: 32 bytes, y below the field's prime, and not a point of small order, under
 * which one signature fits many messages. libsodium (and with it most of the federation) refuses the same keys, some
 * versions of OpenSSL take them; so they are turned away before any implementation sees them.
 */
export function isAcceptablePublicKey(publicKey: Uint8Array): boolean {
  if (publicKey.length !== PUBLIC_KEY_BYTES) return false;
  const y = littleEndian(publicKey) & (2n ** 255n - 1n);
  return y < p && !smallOrder.has(encodeY(y));
}

/**
 * Whether a signature may be checked at all: 64 bytes, and `R` not a point of small order, which no signer comes upon
 * by chance. Here, too, libsodium refuses and versions of OpenSSL differ.
 */
export function isAcceptableSignature(signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false;
  const y = Buffer.from(signature.subarray(0, 32));
  y[31] = (y[31] ?? 0) & 0x7f;
  return !smallOrder.has(y.toString('hex'));
}

/** The little-endian encoding of a coordinate, in hex. */
function encodeY(y: bigint): string {
  return Buffer.from(y.toString(16).padStart(64, '0'), 'hex').reverse().toString('hex');
}

/** A whole number from little-endian bytes. */
export function littleEndian(bytes: Uint8Array): bigint {
  const hex = Buffer.from(bytes).reverse().toString('hex');
  return BigInt(`0x${hex}`);
}
