import type { SignatureChecks } from '../../protocol/event-auth/types.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import { isSignedBy as verify } from '../../protocol/signing/signed-by.ts';
import type { EventNid } from '../../store/nids.ts';

/** The cryptography behind the auth rules for events that this server has just signed itself. */
export function ownSignatures(serverName: ServerName): SignatureChecks<EventNid> {
  return { isSignedBy: (_event, server) => server === serverName, verify };
}

/**
 * The same for events that are stored or about to be: none is taken without valid signatures of all that its room
 * version requires, and the server that vouches for a restricted join is one of them.
 */
export const verifiedSignatures: SignatureChecks<EventNid> = { isSignedBy: () => true, verify };
