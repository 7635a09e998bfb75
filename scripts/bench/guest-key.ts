import { createHash } from 'node:crypto';
import { asKeyId } from '../../src/protocol/ids/key-id.ts';
import { SigningKey } from '../../src/protocol/signing/keys.ts';

/** The signing key of a made-up server, the same in every process. */
export function guestKey(server: string): SigningKey {
  return new SigningKey(asKeyId('ed25519:g1'), createHash('sha256').update(`key of ${server}`).digest());
}
