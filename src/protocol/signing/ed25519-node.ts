import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { type Ed25519, SIGNATURE_BYTES } from './ed25519.ts';

/** DER of a PKCS #8 Ed25519 private key up to the 32 bytes of the seed. */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
/** DER of an SPKI Ed25519 public key up to its 32 bytes. */
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');

/** Ed25519 of the platform: an order of magnitude faster than JavaScript. */
export const nodeEd25519: Ed25519 = {
  publicKeyOf(seed) {
    const spki = createPublicKey(privateKeyObject(seed)).export({ format: 'der', type: 'spki' });
    return Buffer.from(spki.subarray(spkiPrefix.length));
  },

  signer(seed) {
    const key = privateKeyObject(seed);
    return (message) => sign(null, message, key);
  },

  verifier(publicKey) {
    const key = publicKeyObject(publicKey);
    return (message, signature) => signature.length === SIGNATURE_BYTES && verify(null, message, key, signature);
  },
};

/** The platform's form of a public key, for its asynchronous verify. */
export function publicKeyObject(publicKey: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([spkiPrefix, publicKey]), format: 'der', type: 'spki' });
}

function privateKeyObject(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' });
}
