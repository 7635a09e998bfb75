import { join } from 'node:path';
import type { ServerName } from '../protocol/ids/types.ts';
import { BackupDraft, listBackups, type Manifest, removeBackup } from '../store/backup/backup-folder.ts';
import type { Database } from '../store/db.ts';
import { type Millis, millis } from '../util/brand.ts';
import type { Cancel, Clock } from '../util/clock.ts';
import type { Log } from '../util/log.ts';
import { version } from '../util/version.ts';
import type { WorkerPool } from '../workers/worker-pool.ts';
import { AdminError } from './admin-error.ts';

export interface BackupSettings {
  readonly folder: string | undefined;
  readonly every: Millis | undefined;
  readonly keep: number;
  readonly includeRemoteMedia: boolean;
}

export interface ServerBackupsUses {
  readonly db: Database;
  readonly workers: WorkerPool;
  readonly dataDir: string;
  readonly serverName: ServerName;
  readonly settings: BackupSettings;
  /** The configuration in force as a TOML file, secrets included. */
  readonly configText: () => string;
  readonly signingKey: { text(): string };
  readonly media: { pauseDeletion(): () => void };
  readonly clock: Clock;
  readonly log: Log;
}

export interface BackupReport {
  readonly folder: string;
  readonly bytes: number;
  /** Files that the database names and media.db does not have: nothing that the backup lost. */
  readonly missingMedia: number;
}

/** Blobs copied in one step of the worker, which serves uploads in between. */
const blobsPerStep = 16;
/** How often is looked whether a backup is due: the board may have been off, or its clock may have been set. */
const look = millis(60_000);
/** A failed backup is tried again after this, whatever `backup.every` says. */
const retry = millis(3_600_000);

/**
 * Backups of the running server: a copy of the database page by page while it goes on, then the media that the copy
 * names, key and configuration; opened and checked before it counts as one. One at a time.
 */
export class ServerBackups {
  readonly #uses: ServerBackupsUses;
  #running: Promise<BackupReport> | undefined;
  #cancel: Cancel = () => {};
  #notBefore = 0;
  #stopping = false;

  constructor(uses: ServerBackupsUses) {
    this.#uses = uses;
  }

  /** Makes one in `parent`, or where the configuration says. Throws `AdminError` with what the admin should know. */
  make(parent?: string): Promise<BackupReport> {
    if (this.#running !== undefined) throw new AdminError('busy', 'a backup is being made already');
    this.#running = this.#make(parent ?? this.#folder).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Makes them by itself from now on, as often as the configuration says. */
  start(): void {
    if (this.#uses.settings.every !== undefined) this.#schedule();
  }

  /** Ends the one under way, which leaves nothing behind. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#cancel();
    await this.#running?.catch(() => undefined);
  }

  get #folder(): string {
    return this.#uses.settings.folder ?? join(this.#uses.dataDir, 'backups');
  }

  #schedule(): void {
    this.#cancel = this.#uses.clock.after(look, () => {
      void this.#lookWhetherDue().finally(() => {
        if (!this.#stopping) this.#schedule();
      });
    });
  }

  async #lookWhetherDue(): Promise<void> {
    const { settings, serverName, clock, log } = this.#uses;
    if (settings.every === undefined || clock.now() < this.#notBefore || this.#running !== undefined) return;
    try {
      const newest = listBackups(this.#folder, serverName).at(-1);
      if (newest !== undefined && clock.now() - newest.created < settings.every) return;
      await this.make();
      const made = listBackups(this.#folder, serverName);
      for (const old of made.slice(0, Math.max(0, made.length - settings.keep))) {
        removeBackup(old.folder);
        log.info('backup.removed', { folder: old.folder });
      }
    } catch (cause) {
      this.#notBefore = clock.now() + retry;
      log.error('backup.failed', { cause });
    }
  }

  async #make(parent: string): Promise<BackupReport> {
    const { media, workers, clock, log } = this.#uses;
    const started = clock.monotonic();
    const draft = this.#begin(parent);
    // What the copied database names must still be there when its bytes are copied.
    const resume = media.pauseDeletion();
    const release = workers.hold();
    try {
      const { missing } = await this.#fill(draft);
      const { folder, manifest } = await draft.complete({
        server_name: this.#uses.serverName,
        hearth: version,
        created: clock.now(),
        remote_media: this.#uses.settings.includeRemoteMedia,
      });
      const bytes = sizeOf(manifest);
      log.info('backup.made', { folder, bytes, tookMs: Math.round(clock.monotonic() - started) });
      return { folder, bytes, missingMedia: missing };
    } catch (error) {
      draft.discard();
      throw error;
    } finally {
      release();
      resume();
    }
  }

  #begin(parent: string): BackupDraft {
    const stamp = new Date(this.#uses.clock.now())
      .toISOString()
      .replace(/\.\d+Z$/, 'Z')
      .replaceAll(':', '');
    try {
      return new BackupDraft(parent, `hearth-${stamp}`);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new AdminError('cannot_write', `no backup can be made in ${parent}: ${why}`);
    }
  }

  /** Everything but the manifest. */
  async #fill(draft: BackupDraft): Promise<{ missing: number }> {
    const { db, workers, serverName, settings, configText, signingKey } = this.#uses;
    const file = draft.path('hearth.db');
    await db.copyTo(file, () => this.#goOn());
    const ownServer = settings.includeRemoteMedia ? undefined : serverName;
    const { tables = [] } = await workers.run('backup', { op: 'prepare', file, ownServer });
    for (const table of tables) {
      this.#goOn();
      const { problems = [] } = await workers.run('backup', { op: 'check', file, table });
      if (problems.length > 0)
        throw new AdminError('damaged', `the copy is damaged: ${problems.slice(0, 3).join('; ')}`);
    }
    const missing = await this.#copyMedia(draft);
    draft.write('signing.key', signingKey.text());
    draft.write('hearth.toml', configText());
    return { missing };
  }

  async #copyMedia(draft: BackupDraft): Promise<number> {
    const { workers, dataDir } = this.#uses;
    const from = join(dataDir, 'media.db');
    const to = draft.path('media.db');
    let missing = 0;
    let after: Uint8Array = new Uint8Array();
    while (true) {
      this.#goOn();
      const page = { op: 'contents', file: draft.path('hearth.db'), after, limit: blobsPerStep } as const;
      const { contents = [] } = await workers.run('backup', page);
      // With nothing to copy it makes the file, at least.
      missing += (await workers.run('backup', { op: 'copy', from, to, contents })).missing ?? 0;
      const last = contents.at(-1);
      if (last === undefined || contents.length < blobsPerStep) return missing;
      after = last;
    }
  }

  #goOn(): void {
    if (this.#stopping) throw new AdminError('stopping', 'the server is stopping');
  }
}

function sizeOf({ files }: Manifest): number {
  return Object.values(files).reduce((sum, { bytes }) => sum + bytes, 0);
}
