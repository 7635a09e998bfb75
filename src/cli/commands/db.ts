import type { Command } from 'commander';
import { outputOf, run } from '../session.ts';

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

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
