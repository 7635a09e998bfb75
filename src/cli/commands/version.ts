import type { Command } from 'commander';
import { sqliteVersion } from '../../store/sqlite-version.ts';
import { commit, version } from '../../util/version.ts';
import { outputOf } from '../session.ts';

export function addVersionCommand(program: Command): void {
  program
    .command('version')
    .description('print the versions of Hearth and of what it runs on')
    .action((_options: unknown, command: Command) => {
      const versions = {
        version,
        ...(commit === '' ? {} : { commit }),
        node: process.versions.node,
        sqlite: sqliteVersion(),
      };
      const built = commit === '' ? '' : ` (${commit})`;
      const words = `Hearth ${version}${built}, Node ${versions.node}, SQLite ${versions.sqlite}`;
      outputOf(command).result(versions, words);
    });
}
