import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { backupFiles, copyOut, putInPlace, readManifest } from '../../store/backup/backup-folder.ts';
import { checkCopy, markRestored } from '../../store/backup/restored-database.ts';
import { ProcessLock } from '../../store/process-lock.ts';
import { systemClock } from '../../util/clock.ts';
import { CommandFailed } from '../arguments.ts';
import { configFile, requireConfiguration } from '../configuration.ts';
import { mib } from '../output.ts';
import { fallbackOf, globalsOf, outputOf, run } from '../session.ts';

export function addBackupCommands(program: Command): void {
  program
    .command('backup [folder]')
    .description('back up database, media, signing key and configuration, while the server runs')
    .action(async (folder: string | undefined, _options: unknown, command: Command) => {
      const made = await run(command, 'backup/make', folder === undefined ? {} : { folder: resolve(folder) });
      const missing = made.missing_media === 0 ? '' : ` ${made.missing_media} files were missing before already.`;
      outputOf(command).result(made, `${made.folder}, ${mib(made.bytes)}, checked.${missing}`);
    });

  program
    .command('restore <backup>')
    .description('put a backup into an empty data folder')
    .option('--data-dir <folder>', "the data folder, if it is not the configuration's")
    .action(async (backup: string, options: { dataDir?: string }, command: Command) => {
      const restored = await restore(resolve(backup), targetOf(command, options.dataDir));
      outputOf(command).result(
        restored,
        `${restored.server_name} is restored to ${restored.data_dir}. Its configuration at the time of the backup is in ${join(restored.backup, 'hearth.toml')}.`,
      );
    });
}

interface Target {
  readonly dataDir: string;
  /** Undefined without a configuration. */
  readonly serverName: string | undefined;
}

function targetOf(command: Command, dataDir: string | undefined): Target {
  const globals = globalsOf(command);
  if (configFile(globals.config) === undefined && process.env['HEARTH_SERVER_NAME'] === undefined && !globals.dev) {
    if (dataDir !== undefined) return { dataDir: resolve(dataDir), serverName: undefined };
    throw new CommandFailed('There is no configuration here that names a data folder: use --data-dir.', 'usage');
  }
  const { config } = requireConfiguration(globals.config, fallbackOf(globals));
  return { dataDir: dataDir === undefined ? config.dataDir : resolve(dataDir), serverName: config.serverName };
}

/** Throws `CommandFailed`; then the data folder is as it was, apart from files that the next attempt writes anew. */
async function restore(backup: string, { dataDir, serverName }: Target) {
  const manifest = tried(() => readManifest(backup));
  if (serverName !== undefined && serverName !== manifest.server_name) {
    throw new CommandFailed(`This is a backup of ${manifest.server_name}, and the configuration says ${serverName}.`);
  }
  using lock = ProcessLock.take(dataDir);
  if (!lock) throw new CommandFailed(`A process works on ${dataDir}; stop it first.`, 'busy');
  const wanted = backupFiles.filter((file) => file !== 'hearth.toml');
  for (const file of wanted) {
    if (existsSync(join(dataDir, file))) {
      throw new CommandFailed(
        `${dataDir} holds a server already (${file}). Nothing is overwritten; move it away first.`,
      );
    }
  }
  const moves: { from: string; to: string }[] = [];
  for (const file of wanted) {
    const from = join(dataDir, `${file}.restoring`);
    await copyOut(backup, file, manifest, from).catch((error: unknown) => fail(error));
    moves.push({ from, to: join(dataDir, file) });
  }
  const database = join(dataDir, 'hearth.db.restoring');
  tried(() => checkCopy(database));
  markRestored(database, systemClock.now());
  await putInPlace(moves);
  return { backup, data_dir: dataDir, server_name: manifest.server_name, created: manifest.created };
}

function tried<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    return fail(error);
  }
}

function fail(error: unknown): never {
  throw new CommandFailed(error instanceof Error ? error.message : String(error));
}
