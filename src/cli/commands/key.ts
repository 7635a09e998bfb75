import type { Command } from 'commander';
import { columns, dateText } from '../output.ts';
import { outputOf, run } from '../session.ts';

export function addKeyCommands(program: Command): void {
  const key = program.command('key').description("the key that this server's events are signed with");

  key
    .command('show')
    .description('show the public halves of the key in use and of former ones')
    .action(async (_options: unknown, command: Command) => {
      const shown = await run(command, 'key/show', {});
      const rows = shown.keys.map((each) => [
        each.key_id,
        each.public_key,
        each.expired === null ? 'in use' : `until ${dateText(each.expired)}`,
      ]);
      outputOf(command).result(shown, columns(['KEY', 'PUBLIC HALF', 'STATE'], rows));
    });

  key
    .command('rotate')
    .description('sign with a new key from now on; former ones stay published, so that old events can be verified')
    .action(async (_options: unknown, command: Command) => {
      const made = await run(command, 'key/rotate', {});
      outputOf(command).result(made, `From now on events are signed with ${made.key_id}.`);
    });
}
