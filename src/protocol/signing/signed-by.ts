import { CanonicalJsonError } from '../canonical-json.ts';
import { signableText } from './json.ts';
import { VerifyKey } from './keys.ts';

/**
 * Whether a signature over a JSON object (without its `signatures` and `unsigned`) is by this public key, both Base64.
 * Never throws: in events of room versions 1 to 5 the object may hold any number, and what clients and identity servers
 * hand in may have no canonical form at all.
 */
export function isSignedBy(publicKey: string, signature: string, signed: Parameters<typeof signableText>[0]): boolean {
  const key = VerifyKey.fromBase64(publicKey.replaceAll('-', '+').replaceAll('_', '/'));
  if (key === undefined) return false;
  try {
    return key.verifyBase64(signableText(signed, 'lenient'), signature);
  } catch (error) {
    if (error instanceof CanonicalJsonError) return false;
    throw error;
  }
}
