import { MatrixError } from '../../protocol/errors.ts';
import type { ServerName, UserId } from '../../protocol/ids/types.ts';
import { newUserId, parseUserId, serverOf } from '../../protocol/ids/user-id.ts';

/**
 * The ID for a name that somebody wants; capitals become small letters. 400 M_INVALID_USERNAME if it breaks the grammar.
 * @see https://spec.matrix.org/v1.19/appendices/#user-identifiers
 */
export function wantedUserId(name: string, server: ServerName): UserId {
  const userId = newUserId(name.toLowerCase(), server);
  if (userId === undefined) {
    throw new MatrixError(
      400,
      'M_INVALID_USERNAME',
      'A user name has only the letters a-z, digits and the signs . _ = - / + and is not too long',
    );
  }
  return userId;
}

/**
 * The IDs that somebody may mean who logs in as `name`: a whole ID or its localpart, first as it is written (old
 * accounts may have capitals), then in small letters. Empty if it is an ID of another server or none at all.
 */
export function meantUserIds(name: string, server: ServerName): UserId[] {
  const full = name.startsWith('@') && name.includes(':') ? name : `@${name}:${server}`;
  const written = parseUserId(full);
  if (written === undefined || serverOf(written) !== server) return [];
  const folded = parseUserId(`${full.slice(0, full.indexOf(':')).toLowerCase()}:${server}`);
  return folded === undefined || folded === written ? [written] : [written, folded];
}
