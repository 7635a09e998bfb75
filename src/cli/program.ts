import { Command, CommanderError } from 'commander';
import { version } from '../util/version.ts';
import { CommandFailed, type ExitCode, exit, WrongUsage } from './arguments.ts';
import { addBackupCommands } from './commands/backup.ts';
import { addConfigCommands } from './commands/config.ts';
import { addDbCommands } from './commands/db.ts';
import { addInstallCommands } from './commands/install.ts';
import { addKeyCommands } from './commands/key.ts';
import { addNoticeCommands } from './commands/notice.ts';
import { addReportCommands } from './commands/report.ts';
import { addRoomCommands } from './commands/room.ts';
import { addServeCommand } from './commands/serve.ts';
import { addTokenCommands } from './commands/token.ts';
import { addUserCommands } from './commands/user.ts';
import { addVersionCommand } from './commands/version.ts';

/** Runs any command but `serve`; says what went wrong and answers the exit code. */
export async function runProgram(args: readonly string[]): Promise<ExitCode> {
  const program = createProgram();
  try {
    await program.parseAsync(args, { from: 'user' });
    return exit.done;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exit.done : exit.usage;
    if (error instanceof CommandFailed) return fail(program, error, exit.failed);
    if (error instanceof WrongUsage) return fail(program, new CommandFailed(error.message, 'usage'), exit.usage);
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return fail(program, new CommandFailed(text, 'internal'), exit.failed);
  }
}

function createProgram(): Command {
  const program = new Command('hearth')
    .description('A Matrix homeserver for small devices.')
    .version(version, '-V, --version', 'print the version')
    .option('-c, --config <file>', 'the config file (default: $HEARTH_CONFIG, hearth.toml or /etc/hearth/hearth.toml)')
    .option('--json', 'answer in JSON')
    .option('--dev', 'without a config file: server name localhost, data in ./data')
    .helpCommand(true)
    .showHelpAfterError('(--help says how it is used)')
    .exitOverride();
  addServeCommand(program);
  addUserCommands(program);
  addTokenCommands(program);
  addReportCommands(program);
  addNoticeCommands(program);
  addRoomCommands(program);
  addConfigCommands(program);
  addKeyCommands(program);
  addBackupCommands(program);
  addDbCommands(program);
  addInstallCommands(program);
  addVersionCommand(program);
  return program;
}

function fail(program: Command, failure: CommandFailed, exitCode: ExitCode): ExitCode {
  if (program.opts<{ json?: boolean }>().json) process.stdout.write(`${JSON.stringify(failure.json)}\n`);
  else process.stderr.write(`${failure.message}\n`);
  return exitCode;
}
