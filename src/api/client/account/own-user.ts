import { forbidden } from '../../../protocol/errors.ts';
import type { Requester } from '../../../users/login/requester.ts';

/** For paths that name a user who can only be the requester. 403 M_FORBIDDEN */
export function checkOwn(requester: Requester, userId: string): void {
  if (userId !== requester.userId) throw forbidden('Only your own data can be read and changed');
}
