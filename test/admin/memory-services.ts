import type { AdminServices } from '../../src/admin/services.ts';
import { asRoomId } from '../../src/protocol/ids/room-id.ts';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import { asUserId } from '../../src/protocol/ids/user-id.ts';
import type { AccountSummary } from '../../src/users/accounts.ts';
import type { RegistrationTokenInfo } from '../../src/users/registration/registration-tokens.ts';
import { millis } from '../../src/util/brand.ts';

/** Admin services over plain maps, and what was asked of them in `log`. */
export function memoryServices() {
  const accounts = new Map<string, AccountSummary>();
  const tokens = new Map<string, RegistrationTokenInfo>();
  const log: string[] = [];
  const change = (userId: string, part: Partial<AccountSummary>) => {
    const account = accounts.get(userId);
    if (account) accounts.set(userId, { ...account, ...part });
  };
  const after = <T>(all: Map<string, T>, key: string | undefined, limit: number) =>
    [...all]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([each, value]) => (key === undefined || each > key ? [value] : []))
      .slice(0, limit);
  const services: AdminServices = {
    serverName: asServerName('example.org'),
    synced: () => Promise.resolve(),
    accounts: {
      create({ userId, isAdmin }) {
        if (accounts.has(userId)) return Promise.resolve('taken');
        accounts.set(userId, { userId, isAdmin, isDeactivated: false, created: millis(1) });
        return Promise.resolve('created');
      },
      list: (from, limit) => after(accounts, from, limit),
      find: (userId) => accounts.get(userId),
      setPassword(userId, password, logOut) {
        log.push(`password of ${userId}: ${password}, logOut ${logOut}`);
        return Promise.resolve();
      },
      setAdmin: (userId, isAdmin) => change(userId, { isAdmin }),
      setValidity(userId, until) {
        log.push(`valid ${userId} ${until ?? 'always'}`);
        return Promise.resolve();
      },
      deactivate(userId, erase) {
        log.push(`deactivate ${userId}, erase ${erase}`);
        change(userId, { isDeactivated: true });
        return Promise.resolve();
      },
    },
    registrationTokens: {
      create({ token = 'made-up', uses, lifetime }) {
        if (tokens.has(token)) return 'taken';
        const expires = lifetime === undefined ? undefined : millis(100 + lifetime);
        const made = { token, uses, used: 0, created: millis(100), expires };
        tokens.set(token, made);
        return made;
      },
      list: (from, limit) => after(tokens, from, limit),
      revoke: (token) => tokens.delete(token),
    },
    governor: {
      condition: { memory: 'easy', disk: 'easy', rss: 1, budget: 2, pressure: undefined, diskFree: 3 },
    },
    clock: { isRight: true, trust: () => true },
    database: { sizes: () => ({ file: 8192, free: 4096, search: 100 }) },
    backups: { make: async (folder) => ({ folder: folder ?? '/backups', bytes: 8192, missingMedia: 0 }) },
    notices: { enabled: false, isSender: () => false, send: () => Promise.resolve() },
    reports: {
      list: (before, limit) =>
        [3, 2, 1]
          .filter((id) => before === undefined || id < before)
          .slice(0, limit)
          .map((id) => ({
            id,
            time: millis(id),
            reporter: asUserId('@alice:example.org'),
            room: undefined,
            event: undefined,
            user: asUserId('@bob:example.org'),
            reason: 'spam',
          })),
      remove: (id) => id <= 3,
    },
    roomCosts: {
      estimate: (room) => Promise.resolve({ roomId: asRoomId(room), estimate: undefined, excesses: [] }),
      exemptRoom: (room) => Promise.resolve(asRoomId(room)),
      exemptUser: (userId, exempt) => void log.push(`exempt ${userId}: ${exempt}`),
      exemptions: () => ({ rooms: [], users: [] }),
      ledger: () => Promise.resolve({ file: 0, free: 0, rooms: [], others: { rooms: 0, bytes: 0 }, shared: {} }),
      purge: (room) => Promise.resolve(asRoomId(room)),
      thin: (room) => Promise.resolve({ roomId: asRoomId(room), events: 3, states: 1, bytes: 2048 }),
      filling: () => [],
      fill: (room) => Promise.resolve(asRoomId(room)),
    },
    signingKeys: {
      list: () => [{ keyId: 'ed25519:a', publicKey: 'abc', created: millis(5), expired: undefined }],
      rotate() {
        throw new Error('the disk is on fire');
      },
    },
  };
  return { services, log };
}
