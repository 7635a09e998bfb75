import type { Command } from 'commander';

/** Only for the help: `serve` is dispatched before the command line library is loaded. */
export function addServeCommand(program: Command): void {
  program.command('serve').description('run the server in the foreground (the default)');
}
