import { signableText } from './json.ts';
import { VerifyKey } from './keys.ts';

/** Whether a signature over a JSON object (without its `signatures` and `unsigned`) is by this public key, both Base64. */
export function isSignedBy(publicKey: string, signature: string, signed: Parameters<typeof signableText>[0]): boolean {
  return (
    VerifyKey.fromBase64(publicKey.replaceAll('-', '+').replaceAll('_', '/'))?.verifyBase64(
      signableText(signed),
      signature,
    ) ?? false
  );
}
