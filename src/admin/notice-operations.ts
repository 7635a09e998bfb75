import * as v from 'valibot';
import type { UserId } from '../protocol/ids/types.ts';
import { AdminError } from './admin-error.ts';
import { operation } from './operation.ts';
import type { AdminServices } from './services.ts';
import { userIdOf } from './user-names.ts';

/** Accounts looked at in one go. */
const pageSize = 100;

/** Operations about what the server tells its users. */
export const noticeOperations = {
  'notice/send': operation(
    v.strictObject({
      /** To everybody without one. */
      user: v.optional(v.string()),
      text: v.pipe(v.string(), v.minLength(1, 'a notice must not be empty'), v.maxBytes(16_384)),
    }),
    async (services, { user, text }) => {
      const { notices } = services;
      if (!notices.enabled) throw new AdminError('bad_input', 'set server_notices.enabled = true first');
      if (user !== undefined) {
        const userId = userIdOf(user, services.serverName);
        const account = services.accounts.find(userId);
        if (account === undefined || account.isDeactivated) {
          throw new AdminError('not_found', `there is no user "${user}"`);
        }
        await notices.send(userId, text);
        return { sent: 1 };
      }
      return { sent: await sendToAll(services, text) };
    },
  ),
};

async function sendToAll({ accounts, notices }: AdminServices, text: string): Promise<number> {
  let sent = 0;
  let after: UserId | undefined;
  for (;;) {
    const page = accounts.list(after, pageSize);
    for (const { userId, isDeactivated } of page) {
      if (isDeactivated || notices.isSender(userId)) continue;
      await notices.send(userId, text);
      sent++;
    }
    after = page.at(-1)?.userId;
    if (page.length < pageSize) return sent;
  }
}
