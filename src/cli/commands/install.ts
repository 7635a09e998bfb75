import { spawnSync } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isSea } from 'node:sea';
import type { Command } from 'commander';
import { measureBoard } from '../../config/board.ts';
import type { Config } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { CommandFailed, WrongUsage } from '../arguments.ts';
import { problemText } from '../configuration.ts';
import { install, type Step, type Target, uninstall } from '../install/installation.ts';
import { configPath, executablePath, firstConfig } from '../install/layout.ts';
import { readIfThere } from '../install/own-files.ts';
import { outputOf } from '../session.ts';

interface Options {
  readonly dryRun?: boolean;
  readonly root?: string;
  readonly serverName?: string;
}

export function addInstallCommands(program: Command): void {
  program
    .command('install')
    .description('put the program, a configuration and a systemd service in place; what you have changed stays')
    .option('--server-name <name>', 'the server name, if there is no configuration yet')
    .option('--dry-run', 'only say what would be done')
    .option('--root <folder>', 'install into a system whose root is this folder')
    .action((options: Options, command: Command) => {
      const target = targetOf(options);
      const { serverName } = options;
      const { memory } = configOf(target, serverName);
      const steps = install({ target, budgetMb: memory.budgetMb, executable: ownBytes(target), serverName });
      const start = target.root === '' ? '\n\nStart it with:  systemctl enable --now hearth' : '';
      outputOf(command).result({ dry_run: target.dryRun, steps }, describe(steps, target) + start);
    });

  program
    .command('uninstall')
    .description('take away what install has put in place; data and configuration stay')
    .option('--dry-run', 'only say what would be done')
    .option('--root <folder>', 'uninstall from a system whose root is this folder')
    .action((options: Options, command: Command) => {
      const target = targetOf(options);
      const steps = uninstall(target);
      outputOf(command).result({ dry_run: target.dryRun, steps }, describe(steps, target));
    });
}

function targetOf({ dryRun = false, root }: Options): Target {
  if (!dryRun && root === undefined && process.getuid?.() !== 0) {
    throw new CommandFailed('Only root may do this; --dry-run says what would be done.', 'not_allowed');
  }
  // Files of the system are for all to read; run.ts lets nobody read what is made.
  process.umask(0o022);
  return { root: root === undefined ? '' : resolve(root), dryRun, run };
}

/** The configuration that is there or will be. Throws `CommandFailed` if it has mistakes. */
function configOf({ root }: Target, serverName: string | undefined): Config {
  const present = readIfThere(join(root, configPath));
  if (present === undefined && serverName === undefined) {
    throw new WrongUsage(`there is no ${configPath} yet: --server-name has to be given`);
  }
  const text = present ?? firstConfig(serverName ?? '');
  const result = loadConfig({
    file: configPath,
    env: {},
    readFile: () => text,
    folder: '/',
    board: measureBoard(),
    fallback: {},
  });
  if (!result.ok) throw new CommandFailed(problemText(result.problems), 'bad_config');
  return result.config;
}

/** The running executable, unless it is the installed one. */
function ownBytes({ root }: Target): Buffer | undefined {
  if (!isSea())
    throw new CommandFailed('Only the built executable can be installed: "npm run build" makes it.', 'not_built');
  const own = realpathSync(process.execPath);
  return own === join(root, executablePath) ? undefined : readFileSync(own);
}

function run(program: string, args: readonly string[]): void {
  const { status, error } = spawnSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (error) throw new CommandFailed(`${program} cannot be run: ${error.message}`);
  if (status !== 0) throw new CommandFailed(`"${[program, ...args].join(' ')}" ended with ${status}`);
}

function describe(steps: readonly Step[], { dryRun }: Target): string {
  const lines = steps.map(({ action, subject, why }) => `${action.padEnd(6)}  ${subject}: ${why}`);
  return [...(dryRun ? ['This would be done:'] : []), ...lines].join('\n');
}
