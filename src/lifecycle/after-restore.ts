import { crossSigningKeys, type DeviceLists } from '../devices/device-lists.ts';
import type { Backups } from '../e2ee/backups.ts';
import type { DeviceKeys } from '../e2ee/device-keys.ts';
import type { RemoteLists } from '../e2ee/remote/remote-lists.ts';
import type { Database } from '../store/db.ts';
import type { DeviceKeyStore } from '../store/e2ee/device-keys.ts';
import type { OneTimeKeyStore } from '../store/e2ee/one-time-keys.ts';
import type { RestoreNote } from '../store/restore-note.ts';
import type { Log } from '../util/log.ts';

export interface AfterRestoreUses {
  readonly db: Database;
  readonly restoreNote: RestoreNote;
  readonly deviceKeys: DeviceKeyStore;
  readonly oneTimeKeys: OneTimeKeyStore;
  readonly lists: DeviceLists;
  readonly keys: DeviceKeys;
  readonly backups: Backups;
  readonly remote: { readonly lists: RemoteLists };
  readonly log: Log;
}

/**
 * What has to be done before a server that was restored from a backup answers anybody. Keys that it gave out after the
 * backup was made must not be given out again, so all of them are dropped and clients upload fresh ones; who follows our
 * users' devices may know newer lists than we do, so all are announced; and clients believe that room keys are in their
 * backups which came there too late, so they are made to bring them again.
 */
export class AfterRestore {
  readonly #uses: AfterRestoreUses;

  constructor(uses: AfterRestoreUses) {
    this.#uses = uses;
  }

  /** Does nothing but once after a restore. */
  run(): void {
    const { db, restoreNote, oneTimeKeys, deviceKeys, keys, backups, lists, remote, log } = this.#uses;
    const when = restoreNote.pending();
    if (when === undefined) return;
    let devices = 0;
    db.write<void>(() => {
      for (const device of oneTimeKeys.devices()) {
        oneTimeKeys.removeOneTime(device);
        keys.recount(device, 'other');
        devices++;
      }
      for (const user of deviceKeys.users()) {
        const deviceIds = deviceKeys.list(user).map(({ deviceId }) => deviceId);
        lists.announce(user, [...deviceIds, crossSigningKeys]);
      }
      // Nobody has begun a version a second.
      backups.renew(Math.floor(when / 1000));
      // What we know of others' lists may be older than what they have told us since.
      remote.lists.doubtAll();
      restoreNote.begun();
    });
    db.syncNow();
    log.warn('server.restored', { when, devices });
  }
}
