import type { Command } from 'commander';
import { sqliteVersion } from '../../store/sqlite-version.ts';
import { commit, version } from '../../util/version.ts';
import { embeddedText } from '../licences.ts';
import { outputOf } from '../session.ts';

export function addVersionCommand(program: Command): void {
  program
    .command('version')
    .description('print the versions of Hearth and of what it runs on')
    .option('--licenses', 'print the licences of everything inside instead')
    .option('--sbom', 'print the list of everything inside instead, in CycloneDX form')
    .action((options: { licenses?: boolean; sbom?: boolean }, command: Command) => {
      const output = outputOf(command);
      if (options.sbom) {
        const text = embeddedText('sbom');
        output.result(JSON.parse(text), text.trimEnd());
      } else if (options.licenses) {
        const text = embeddedText('licences');
        output.result({ licenses: text }, text.trimEnd());
      } else {
        const versions = {
          version,
          ...(commit === '' ? {} : { commit }),
          node: process.versions.node,
          sqlite: sqliteVersion(),
        };
        const built = commit === '' ? '' : ` (${commit})`;
        output.result(versions, `Hearth ${version}${built}, Node ${versions.node}, SQLite ${versions.sqlite}`);
      }
    });
}
