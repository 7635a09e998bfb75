import { spawnSync } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isSea } from 'node:sea';
import type { Command } from 'commander';
import { diskMegabytes, measureBoard } from '../../config/board.ts';
import type { Config } from '../../config/config.ts';
import type { Board } from '../../config/definition/kinds.ts';
import { loadConfig } from '../../config/load.ts';
import { CommandFailed, WrongUsage } from '../arguments.ts';
import { problemText } from '../configuration.ts';
import { boardWords } from '../install/board-words.ts';
import { install, type Step, type Target, uninstall } from '../install/installation.ts';
import { configPath, executablePath, firstConfig, unitPath } from '../install/layout.ts';
import { askForNotaries, namedNotaries, undecided } from '../install/notaries.ts';
import { readIfThere, stateOf } from '../install/own-files.ts';
import { outputOf } from '../session.ts';

interface Options {
  readonly dryRun?: boolean;
  readonly root?: string;
  readonly serverName?: string;
  readonly notary?: readonly string[] | false;
}

export function addInstallCommands(program: Command): void {
  program
    .command('install')
    .description('put the program, a configuration and a systemd service in place; what you have changed stays')
    .option('--server-name <name>', 'the server name, if there is no configuration yet')
    .option(
      '--notary <names...>',
      'servers that are asked for the keys of servers that are gone, if there is no configuration yet',
    )
    .option('--no-notary', 'none are asked')
    .option('--dry-run', 'only say what would be done')
    .option('--root <folder>', 'install into a system whose root is this folder')
    .action(async (options: Options, command: Command) => {
      const target = targetOf(options);
      const first = await firstConfigOf(target, options);
      const { config, board } = configOf(target, first);
      const { memory, federation } = config;
      const isUpgrade = stateOf(join(target.root, unitPath)) !== 'missing';
      const executable = ownBytes(target);
      const steps = written(() => install({ target, budgetMb: memory.budgetMb, executable, config: first?.text }));
      const notes = [
        boardWords(config, board),
        ...(target.dryRun || target.root !== '' ? [] : [isUpgrade ? restart : start]),
        ...(federation.notaries.length > 0 || first?.isDecided !== false ? [] : [undecided]),
      ];
      outputOf(command).result(
        { dry_run: target.dryRun, steps, notes },
        [describe(steps, target), ...notes].join('\n\n'),
      );
    });

  program
    .command('uninstall')
    .description('take away what install has put in place; data and configuration stay')
    .option('--dry-run', 'only say what would be done')
    .option('--root <folder>', 'uninstall from a system whose root is this folder')
    .action((options: Options, command: Command) => {
      const target = targetOf(options);
      const steps = written(() => uninstall(target));
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

const start = 'Start it with:  systemctl enable --now hearth';
const restart = 'What runs is still what was there before:  systemctl restart hearth';

interface FirstConfig {
  readonly text: string;
  /** Whether the admin has said which notaries are asked. */
  readonly isDecided: boolean;
}

/** The configuration to begin with; undefined if there is one. Asks for what has no good default. */
async function firstConfigOf(
  { root, dryRun }: Target,
  { serverName, notary }: Options,
): Promise<FirstConfig | undefined> {
  if (readIfThere(join(root, configPath)) !== undefined) return undefined;
  if (serverName === undefined) {
    throw new WrongUsage(`there is no ${configPath} yet: --server-name has to be given`);
  }
  const notaries = namedNotaries(notary) ?? (dryRun ? undefined : await askForNotaries());
  return { text: firstConfig(serverName, notaries), isDecided: notaries !== undefined };
}

/** The configuration that is there or will be. Throws `CommandFailed` if it has mistakes. */
function configOf({ root }: Target, first: FirstConfig | undefined): { config: Config; board: Board } {
  const text = first?.text ?? readIfThere(join(root, configPath)) ?? '';
  const load = (board: Board): Config => {
    const result = loadConfig({ file: configPath, env: {}, readFile: () => text, folder: '/', board, fallback: {} });
    if (!result.ok) throw new CommandFailed(problemText(result.problems), 'bad_config');
    return result.config;
  };
  const board = measureBoard();
  // Where the data will be has to be known before the size of the disk can be.
  const whole = { ...board, diskMb: diskMegabytes(join(root, load(board).dataDir)) };
  return { config: load(whole), board: whole };
}

/** The running executable, unless it is the installed one. */
function ownBytes({ root }: Target): Buffer | undefined {
  if (!isSea())
    throw new CommandFailed('Only the built executable can be installed: "npm run build" makes it.', 'not_built');
  const own = realpathSync(process.execPath);
  return own === join(root, executablePath) ? undefined : readFileSync(own);
}

/** Does what writes files of the system; a file that cannot be written is no fault of ours. */
function written(act: () => Step[]): Step[] {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && 'path' in error)) throw error;
    throw new CommandFailed(`${String(error.path)} cannot be written (${String(error.code)})`, 'cannot_write');
  }
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
