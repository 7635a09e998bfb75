import { forbidden } from '../protocol/errors.ts';
import { isJsonObject, type JsonObject } from '../util/json.ts';

/** The user whose account has a mail address. */
export type MailOwner = (address: string) => string | undefined;

/**
 * Whom an `identifier` (or one of the older forms beside it) names: a user ID or localpart, `undefined` if nobody is
 * named. A mail address that nobody has is answered by a name that nobody can have, so that guessing addresses is as
 * slow, and tells as little, as guessing passwords. 403 M_FORBIDDEN for what is no address.
 * @see https://spec.matrix.org/v1.19/client-server-api/#identifier-types
 */
export function identifiedUser(request: JsonObject, ownerOf: MailOwner): string | undefined {
  const { identifier } = request;
  if (isJsonObject(identifier)) {
    if (identifier['type'] === 'm.id.user' && typeof identifier['user'] === 'string') return identifier['user'];
    if (identifier['type'] === 'm.id.thirdparty') return ownerOfThreepid(identifier, ownerOf);
    if (identifier['type'] !== 'm.id.user' && identifier['type'] !== undefined) throw unknownThreepid();
    if (identifier['medium'] !== undefined) throw unknownThreepid();
    return undefined;
  }
  if (typeof request['user'] === 'string') return request['user'];
  if (request['medium'] !== undefined) return ownerOfThreepid(request, ownerOf);
  return undefined;
}

function ownerOfThreepid({ medium, address }: JsonObject, ownerOf: MailOwner): string {
  if (medium !== 'email' || typeof address !== 'string') throw unknownThreepid();
  return ownerOf(address) ?? `mailto:${address}`;
}

const unknownThreepid = () => forbidden('No account has this address or number');
