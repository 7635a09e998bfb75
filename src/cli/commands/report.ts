import type { Command } from 'commander';
import type { OutputOf } from '../../admin/operations.ts';
import { columns, dateText } from '../output.ts';
import { outputOf, run } from '../session.ts';
import { whole } from './numbers.ts';

type ListedReport = OutputOf<'report/list'>['reports'][number];

export function addReportCommands(program: Command): void {
  const report = program.command('report').description('what people have reported: events, rooms, users');

  report
    .command('list')
    .description('list reports, the newest first')
    .option('--before <id>', 'only those older than this one', whole)
    .option('--limit <number>', 'how many at most', whole, 100)
    .action(async (options: { before?: number; limit: number }, command: Command) => {
      const { before, limit } = options;
      const answer = await run(command, 'report/list', { limit, ...(before === undefined ? {} : { before }) });
      outputOf(command).result(answer, describe(answer.reports));
    });

  report
    .command('remove')
    .argument('<id>', 'the number that the list has', whole)
    .description('remove a report that is dealt with')
    .action(async (id: number, _options: unknown, command: Command) => {
      const done = await run(command, 'report/remove', { id });
      outputOf(command).result(done, `Report ${done.id} is removed.`);
    });
}

function describe(reports: readonly ListedReport[]): string {
  if (reports.length === 0) return 'There are no reports.';
  return columns(
    ['ID', 'WHEN (UTC)', 'BY', 'USER', 'ROOM', 'EVENT', 'REASON'],
    reports.map((each) => [
      String(each.id),
      dateText(each.time),
      each.reporter,
      each.user_id ?? '',
      each.room_id ?? '',
      each.event_id ?? '',
      // What people write may hold line breaks and control characters: neither belongs into a table on a terminal.
      each.reason.replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' '),
    ]),
  );
}
