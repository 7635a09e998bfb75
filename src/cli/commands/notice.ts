import type { Command } from 'commander';
import { outputOf, run } from '../session.ts';

export function addNoticeCommands(program: Command): void {
  const notice = program.command('notice').description('tell users something in the name of the server');

  notice
    .command('send <text>')
    .description('send a notice to a user, or to everybody')
    .option('--user <user>', 'only to this user')
    .action(async (text: string, { user }: { user?: string }, command: Command) => {
      const done = await run(command, 'notice/send', { text, ...(user === undefined ? {} : { user }) });
      outputOf(command).result(done, `Sent to ${done.sent === 1 ? 'one user' : `${done.sent} users`}.`);
    });
}
