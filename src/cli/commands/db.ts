import type { Command } from 'commander';
import { mib } from '../output.ts';
import { outputOf, run } from '../session.ts';

export function addDbCommands(program: Command): void {
  const db = program.command('db').description('the database');

  db.command('stats')
    .description('show how large the database and the search index in it are')
    .action(async (_options: unknown, command: Command) => {
      const sizes = await run(command, 'db/stats', {});
      const { file_bytes: file, free_bytes: free, search_bytes: search } = sizes;
      outputOf(command).result(
        sizes,
        `Database ${mib(file)}, of which free ${mib(free)}, search index ${mib(search)}.`,
      );
    });
}
