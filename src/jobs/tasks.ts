import type { E2ee } from '../e2ee/create-e2ee.ts';
import type { Federation } from '../federation/create-federation.ts';
import type { CatchUpRooms } from '../lifecycle/catch-up-rooms.ts';
import type { Media } from '../media/media.ts';
import type { RemoteMediaPruning } from '../media/remote/remote-media-pruning.ts';
import type { Ledger } from '../rooms/ledger/ledger.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { SearchIndex } from '../search/search-index.ts';
import type { Database } from '../store/db.ts';
import type { Stores } from '../store/stores.ts';
import type { Sweep } from '../store/sweep.ts';
import type { Accounts } from '../users/accounts.ts';
import type { Uia } from '../users/login/uia.ts';
import type { MailAddresses } from '../users/mail/mail-addresses.ts';
import { millis } from '../util/brand.ts';
import type { Clock } from '../util/clock.ts';
import type { BackgroundTask } from './background.ts';

export interface TaskUses {
  readonly db: Database;
  readonly stores: Stores;
  readonly sweep: Sweep;
  readonly media: Media;
  readonly mediaPruning: Pick<RemoteMediaPruning, 'slice'>;
  readonly clock: Clock;
  readonly uia: Uia;
  readonly accounts: Pick<Accounts, 'lockExpired'>;
  readonly mailAddresses: Pick<MailAddresses, 'forgetExpired'>;
  /** Nothing if searching is switched off. */
  readonly searchIndex?: SearchIndex | undefined;
  readonly catchUpRooms: Pick<CatchUpRooms, 'slice'>;
  readonly rooms: Pick<Rooms, 'takeover' | 'purges' | 'meter' | 'remote' | 'thinning'>;
  readonly ledger: Pick<Ledger, 'report' | 'watchSome'>;
  readonly e2ee: Pick<E2ee, 'toDevice' | 'backups' | 'remote'>;
  readonly federation: Pick<Federation, 'reachability' | 'keyRing'>;
}

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** Bodies packed in a slice: a few milliseconds' work, one small transaction. */
const bodiesPerSlice = 50;
/** Pages moved in a slice of the vacuum. */
const pagesPerSlice = 200;
/** How long a transaction ID is remembered: far longer than any client tries again. */
const transactionLifetime = 3 * day;
const rowsPerSlice = 500;
const sessionsPerSlice = 100;
const listsPerSlice = 50;

/** What is done when nobody waits: each task keeps its place in the database, so that a restart goes on. */
export function backgroundTasks(uses: TaskUses): BackgroundTask[] {
  const { db, stores, sweep, e2ee, searchIndex, federation } = uses;
  return [
    {
      name: 'pack bodies',
      every: millis(2 * second),
      slice: () => stores.bodyPacker.packSome(bodiesPerSlice) === bodiesPerSlice,
    },
    ...searchTasks(searchIndex),
    {
      name: 'catch up rooms after a restore',
      every: millis(10 * second),
      slice: () => uses.catchUpRooms.slice(),
    },
    ...transactionTasks(uses),
    ...e2eeTasks(e2ee),
    ...federationTasks(federation),
    ...accountTasks(uses),
    ...roomTasks(uses),
    {
      name: 'give free pages back',
      every: millis(10 * minute),
      slice: () => db.vacuumSome(pagesPerSlice) > 0,
    },
    {
      // It rests by itself, a day between the kinds; what it has marked waits for an hour.
      name: 'sweep unused strings',
      every: millis(hour),
      slice: () => sweep.slice(),
    },
    {
      name: 'refresh statistics',
      every: millis(day),
      slice: () => {
        db.optimize();
        return false;
      },
    },
    ...mediaTasks(uses),
  ];
}

function accountTasks({ db, stores, clock, uia, accounts, mailAddresses }: TaskUses): BackgroundTask[] {
  return [
    {
      name: 'forget interactive authentication that is over',
      every: millis(10 * minute),
      slice: () => db.write(() => uia.forgetExpired(sessionsPerSlice)) === sessionsPerSlice,
    },
    {
      name: 'lock accounts that are good no longer',
      every: millis(minute),
      slice: () => db.write(() => accounts.lockExpired(sessionsPerSlice)) === sessionsPerSlice,
    },
    {
      name: 'forget links in mails that are over',
      every: millis(10 * minute),
      slice: () => db.write(() => mailAddresses.forgetExpired(sessionsPerSlice)) === sessionsPerSlice,
    },
    {
      // Two minutes' worth of them at the most. Expired access tokens stay until they are refreshed or their device
      // goes: a client has to be told that it may come back.
      name: 'forget login tokens that are over',
      every: millis(10 * minute),
      slice: () => {
        db.write<void>(() => stores.tokens.removeExpiredLogin(clock.now()));
        return false;
      },
    },
  ];
}

function roomTasks({ rooms, ledger }: TaskUses): BackgroundTask[] {
  return [
    {
      name: 'write down what rooms cost',
      every: millis(5 * minute),
      slice: () => {
        rooms.meter.flush();
        return false;
      },
    },
    {
      name: 'measure what rooms take',
      every: millis(day),
      isHeavy: true,
      slice: async () => {
        await ledger.report();
        return false;
      },
    },
    {
      name: 'look for rooms that have outgrown a limit',
      every: millis(hour),
      slice: () => ledger.watchSome(),
    },
    {
      name: 'take up joins that were interrupted',
      every: millis(15 * second),
      slice: () => {
        rooms.remote.resume();
        return false;
      },
    },
    {
      // What a crash has left of them; those that fail clear up after themselves.
      name: 'remove joins that came to nothing',
      every: millis(minute),
      slice: () => rooms.takeover.clearLeftover(),
    },
    {
      name: 'delete old history',
      every: millis(minute),
      slice: () => rooms.thinning.slice(),
    },
    {
      name: 'delete rooms that nobody is in',
      every: millis(minute),
      slice: () => rooms.purges.slice(),
    },
  ];
}

function mediaTasks({ media, mediaPruning }: TaskUses): BackgroundTask[] {
  return [
    {
      name: 'forget files of other servers',
      every: millis(hour),
      slice: () => mediaPruning.slice(),
    },
    {
      name: 'sweep orphaned media',
      every: millis(6 * hour),
      slice: async () => {
        await media.sweepOrphans();
        return false;
      },
    },
  ];
}

function transactionTasks({ db, stores, clock }: TaskUses): BackgroundTask[] {
  return [
    {
      name: 'forget transaction IDs',
      every: millis(10 * minute),
      slice: () =>
        db.write(() => stores.transactions.expire(millis(clock.now() - transactionLifetime), rowsPerSlice)) ===
        rowsPerSlice,
    },
    {
      name: 'forget transactions of other servers',
      every: millis(10 * minute),
      slice: () =>
        db.write(() => stores.receivedTransactions.expire(millis(clock.now() - day), rowsPerSlice)) === rowsPerSlice,
    },
  ];
}

function searchTasks(index: SearchIndex | undefined): BackgroundTask[] {
  return index === undefined ? [] : [{ name: 'index messages', every: millis(second), slice: () => index.slice() }];
}

function e2eeTasks({ toDevice, backups, remote }: TaskUses['e2ee']): BackgroundTask[] {
  let lists: ReturnType<typeof remote.lists.sweep>;
  return [
    {
      name: 'forget IDs of messages from other servers',
      every: millis(10 * minute),
      slice: () => remote.incoming.forgetMessages(rowsPerSlice) === rowsPerSlice,
    },
    {
      // Whoever comes back is asked about anew in any case: this gives the space back.
      name: 'drop device lists of those who share no room any more',
      every: millis(hour),
      slice: () => {
        lists = remote.lists.sweep(lists ?? 0, listsPerSlice);
        return lists !== undefined;
      },
    },
    {
      name: 'forget transaction IDs of messages to devices',
      every: millis(10 * minute),
      slice: () => toDevice.forgetTransactions(rowsPerSlice) === rowsPerSlice,
    },
    {
      name: 'sweep deleted backups of room keys',
      every: millis(10 * minute),
      slice: () => backups.sweep(rowsPerSlice),
    },
  ];
}

function federationTasks({ reachability, keyRing }: TaskUses['federation']): BackgroundTask[] {
  return [
    {
      name: 'forget keys that are too many',
      every: millis(10 * minute),
      slice: () => keyRing.forgetSome(rowsPerSlice),
    },
    {
      name: 'forget servers that are long gone',
      every: millis(hour),
      slice: () => reachability.forgetSome(rowsPerSlice),
    },
  ];
}
