import { join } from 'node:path';
import type { Command } from 'commander';
import type { OutputOf } from '../../admin/operations.ts';
import { checkCopy, markRestored } from '../../store/backup/restored-database.ts';
import { ProcessLock } from '../../store/process-lock.ts';
import { systemClock } from '../../util/clock.ts';
import { CommandFailed } from '../arguments.ts';
import { requireConfiguration } from '../configuration.ts';
import { mib } from '../output.ts';
import { fallbackOf, globalsOf, outputOf, run } from '../session.ts';

export function addDbCommands(program: Command): void {
  const db = program.command('db').description('the database');

  db.command('stats')
    .description('show how large the database and the search index in it are')
    .action(async (_options: unknown, command: Command) => {
      const sizes = await run(command, 'db/stats', {});
      const { file_bytes: file, free_bytes: free, search_bytes: search } = sizes;
      outputOf(command).result(
        sizes,
        [
          `Database ${mib(file)}, of which free ${mib(free)}, search index ${mib(search)}.`,
          ...conditionWords(sizes),
        ].join('\n'),
      );
    });

  db.command('trust-clock')
    .description('believe the clock of this machine, although something was written at a later time')
    .action(async (_options: unknown, command: Command) => {
      const done = await run(command, 'db/trust-clock', {});
      outputOf(command).result(done, 'The clock is taken to be right.');
    });

  db.command('mark-restored')
    .description('tell a hearth.db that was put in place by other means than hearth restore that it is from the past')
    .action((_options: unknown, command: Command) => {
      const globals = globalsOf(command);
      const { config } = requireConfiguration(globals.config, fallbackOf(globals));
      const marked = mark(config.dataDir);
      outputOf(command).result(marked, `${marked.file} is marked: the next start does what a restore needs.`);
    });
}

function mark(dataDir: string): { file: string } {
  using lock = ProcessLock.take(dataDir);
  if (!lock) throw new CommandFailed(`A process works on ${dataDir}; stop it first.`, 'busy');
  const file = join(dataDir, 'hearth.db');
  try {
    checkCopy(file);
  } catch (error) {
    throw new CommandFailed(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
  markRestored(file, systemClock.now());
  return { file };
}

/** Only a running server knows how it is. */
function conditionWords({ memory, disk }: OutputOf<'db/stats'>): string[] {
  const pressure = memory.pressure_percent === null ? '' : `, pressure ${memory.pressure_percent} %`;
  const free = disk.free_bytes === null ? [] : [`Disk: ${disk.level}, ${mib(disk.free_bytes)} free.`];
  if (memory.rss_bytes === 0) return free;
  return [`Memory: ${memory.level}, ${mib(memory.rss_bytes)} of ${mib(memory.budget_bytes)}${pressure}.`, ...free];
}
