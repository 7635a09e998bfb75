import type { SignatureChecks } from '../protocol/event-auth/types.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import { signableText } from '../protocol/signing/json.ts';
import { VerifyKey } from '../protocol/signing/keys.ts';
import type { EventNid } from '../store/nids.ts';

/** The cryptography behind the auth rules for events that this server has just signed itself. */
export function ownSignatures(serverName: ServerName): SignatureChecks<EventNid> {
  return {
    isSignedBy: (_event, server) => server === serverName,
    verify(publicKey, signature, signed) {
      const key = VerifyKey.fromBase64(publicKey);
      return key?.verifyBase64(signableText(signed), signature) ?? false;
    },
  };
}
