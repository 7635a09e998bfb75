import * as v from 'valibot';
import { MatrixError } from '../protocol/errors.ts';
import type { ServerName, UserId } from '../protocol/ids/types.ts';
import { localpartOf, newUserId, parseUserId } from '../protocol/ids/user-id.ts';
import type { Report } from '../rooms/reports.ts';
import type { AccountSummary } from '../users/accounts.ts';
import type { RegistrationTokenInfo } from '../users/registration/registration-tokens.ts';
import { millis } from '../util/brand.ts';
import { AdminError } from './admin-error.ts';
import { noticeOperations } from './notice-operations.ts';
import { type Operation, operation } from './operation.ts';
import { roomOperations } from './room-operations.ts';
import type { AdminServices, SigningKeyInfo } from './services.ts';
import { userIdOf } from './user-names.ts';

const pageSize = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1000));
const reportId = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const passwordText = v.pipe(v.string(), v.minLength(1, 'a password must not be empty'), v.maxLength(512));
const tokenText = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9._~-]{1,64}$/, 'a token has 1 to 64 letters, digits and the signs . _ ~ -'),
);

/**
 * Everything that `hearth <command>` can do to a server, by name. The running server answers these on `admin.sock`; with
 * no server running the command runs them itself: one table, so that the two can never differ. Wire names are
 * snake_case, times milliseconds since 1970.
 */
export const operations = {
  ...roomOperations,
  ...noticeOperations,

  'user/add': operation(
    v.strictObject({ user: v.string(), password: passwordText, admin: v.optional(v.boolean(), false) }),
    async ({ accounts, serverName }, input) => {
      const userId = newAccountId(input.user, serverName);
      const outcome = await accounts.create({ userId, password: input.password, isAdmin: input.admin });
      if (outcome === 'taken') throw new AdminError('exists', `${userId} exists already`);
      return { user_id: userId, admin: input.admin };
    },
  ),

  'user/list': operation(
    v.strictObject({ after: v.optional(v.string()), limit: v.optional(pageSize, 100) }),
    ({ accounts }, input) => ({
      users: accounts
        .list(input.after === undefined ? undefined : parseUserId(input.after), input.limit)
        .map(showAccount),
    }),
  ),

  'user/set-password': operation(
    v.strictObject({ user: v.string(), password: passwordText, logout: v.optional(v.boolean(), false) }),
    async (services, input) => {
      const { userId } = activeAccount(services, input.user);
      await services.accounts.setPassword(userId, input.password, input.logout);
      return { user_id: userId, logged_out: input.logout };
    },
  ),

  'user/deactivate': operation(
    v.strictObject({ user: v.string(), erase: v.optional(v.boolean(), false) }),
    async (services, input) => {
      const { userId } = activeAccount(services, input.user);
      await services.accounts.deactivate(userId, input.erase);
      return { user_id: userId, erased: input.erase };
    },
  ),

  /** `until`: milliseconds since 1970; without an end if it is not given. */
  'user/set-validity': operation(
    v.strictObject({ user: v.string(), until: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))) }),
    async (services, { user, until }) => {
      const { userId } = activeAccount(services, user);
      await services.accounts.setValidity(userId, until === undefined ? undefined : millis(until));
      return { user_id: userId, until: until ?? null };
    },
  ),

  'user/make-admin': operation(
    v.strictObject({ user: v.string(), admin: v.optional(v.boolean(), true) }),
    (services, input) => {
      const { userId } = activeAccount(services, input.user);
      services.accounts.setAdmin(userId, input.admin);
      return { user_id: userId, admin: input.admin };
    },
  ),

  'token/create': operation(
    v.strictObject({
      token: v.optional(tokenText),
      uses: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
      lifetime_ms: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
    }),
    ({ registrationTokens }, { token, uses, lifetime_ms: lifetime }) => {
      const created = registrationTokens.create({
        token,
        uses,
        lifetime: lifetime === undefined ? undefined : millis(lifetime),
      });
      if (created === 'taken') throw new AdminError('exists', 'this token exists already');
      return showToken(created);
    },
  ),

  'token/list': operation(
    v.strictObject({ after: v.optional(v.string()), limit: v.optional(pageSize, 100) }),
    ({ registrationTokens }, { after, limit }) => ({ tokens: registrationTokens.list(after, limit).map(showToken) }),
  ),

  'token/revoke': operation(v.strictObject({ token: v.string() }), ({ registrationTokens }, { token }) => {
    if (!registrationTokens.revoke(token)) throw new AdminError('not_found', 'there is no such token');
    return { token };
  }),

  'report/list': operation(
    v.strictObject({ before: v.optional(reportId), limit: v.optional(pageSize, 100) }),
    ({ reports }, { before, limit }) => ({ reports: reports.list(before, limit).map(showReport) }),
  ),

  'report/remove': operation(v.strictObject({ id: reportId }), ({ reports }, { id }) => {
    if (!reports.remove(id)) throw new AdminError('not_found', 'there is no such report');
    return { id };
  }),

  'db/stats': operation(v.strictObject({}), ({ database, governor }) => {
    const { file, free, search } = database.sizes();
    const { memory, disk, rss, budget, pressure, diskFree } = governor.condition;
    return {
      file_bytes: file,
      free_bytes: free,
      search_bytes: search,
      memory: { level: memory, rss_bytes: rss, budget_bytes: budget, pressure_percent: pressure ?? null },
      disk: { level: disk, free_bytes: diskFree ?? null },
    };
  }),

  'db/trust-clock': operation(v.strictObject({}), ({ clock }) => {
    if (!clock.trust()) {
      throw new AdminError('refused', 'The clock shows a time before this release was made: set it right');
    }
    return {};
  }),

  'backup/make': operation(
    v.strictObject({ folder: v.optional(v.pipe(v.string(), v.startsWith('/', 'must be an absolute path'))) }),
    async ({ backups }, { folder: parent }) => {
      const { folder, bytes, missingMedia } = await backups.make(parent);
      return { folder, bytes, missing_media: missingMedia };
    },
  ),

  'key/show': operation(v.strictObject({}), ({ signingKeys }) => ({ keys: signingKeys.list().map(showKey) })),

  'key/rotate': operation(v.strictObject({}), ({ signingKeys }) => showKey(signingKeys.rotate())),
};

export type OperationName = keyof typeof operations;

/** What an operation is asked, before defaults. */
export type InputOf<Name extends OperationName> = v.InferInput<(typeof operations)[Name]['input']>;
/** What it answers. */
export type OutputOf<Name extends OperationName> = Awaited<ReturnType<(typeof operations)[Name]['run']>>;

export function isOperation(name: string): name is OperationName {
  return Object.hasOwn(operations, name);
}

/** Checks the input and runs the operation: what is answered survives a power cut. Throws `AdminError` with a sentence for the admin. */
export async function runOperation(services: AdminServices, name: OperationName, input: unknown): Promise<unknown> {
  const chosen = operations[name] as Operation<unknown, unknown>;
  const parsed = v.safeParse(chosen.input, input);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    const path = v.getDotPath(issue);
    throw new AdminError('bad_input', path === null ? issue.message : `${path}: ${issue.message}`);
  }
  try {
    const result = await chosen.run(services, parsed.output);
    await services.synced();
    return result;
  } catch (error) {
    // What the domains refuse a client for, they refuse the admin for.
    if (error instanceof MatrixError && error.status < 500) throw new AdminError('refused', error.message);
    throw error;
  }
}

function newAccountId(text: string, serverName: ServerName): UserId {
  const userId = userIdOf(text, serverName);
  const localpart = localpartOf(userId);
  const valid = newUserId(localpart, serverName);
  if (valid === undefined) {
    throw new AdminError(
      'bad_input',
      `"${localpart}" cannot be a user name: only a-z, 0-9 and . _ = - / + are allowed`,
    );
  }
  return valid;
}

function activeAccount({ accounts, serverName }: AdminServices, text: string): AccountSummary {
  const account = accounts.find(userIdOf(text, serverName));
  if (account === undefined) throw new AdminError('not_found', `there is no user "${text}"`);
  if (account.isDeactivated) throw new AdminError('deactivated', `${account.userId} is deactivated`);
  return account;
}

function showAccount(account: AccountSummary) {
  return {
    user_id: account.userId,
    admin: account.isAdmin,
    deactivated: account.isDeactivated,
    created: Number(account.created),
  };
}

function showToken(token: RegistrationTokenInfo) {
  return {
    token: token.token,
    uses: token.uses ?? null,
    used: token.used,
    created: Number(token.created),
    expires: token.expires === undefined ? null : Number(token.expires),
  };
}

function showReport(report: Report) {
  return {
    id: report.id,
    time: Number(report.time),
    reporter: report.reporter,
    user_id: report.user ?? null,
    room_id: report.room ?? null,
    event_id: report.event ?? null,
    reason: report.reason,
  };
}

function showKey(key: SigningKeyInfo) {
  return {
    key_id: key.keyId,
    public_key: key.publicKey,
    created: Number(key.created),
    expired: key.expired === undefined ? null : Number(key.expired),
  };
}
