import type { Command } from 'commander';
import type { OutputOf } from '../../admin/operations.ts';
import { WrongUsage } from '../arguments.ts';
import { columns, dateText } from '../output.ts';
import { readNewPassword } from '../password.ts';
import { outputOf, run } from '../session.ts';

type ListedUser = OutputOf<'user/list'>['users'][number];

const pageSize = 500;

export function addUserCommands(program: Command): void {
  const user = program.command('user').description('accounts of this server');

  user
    .command('add <name>')
    .description('make an account')
    .option('--admin', 'with admin rights')
    .option('--password-stdin', 'read the password from standard input')
    .action(async (name: string, options: { admin?: boolean; passwordStdin?: boolean }, command: Command) => {
      const password = await readNewPassword(options.passwordStdin ?? false);
      const made = await run(command, 'user/add', { user: name, password, admin: options.admin ?? false });
      outputOf(command).result(made, `Made ${made.user_id}${made.admin ? ', an admin' : ''}.`);
    });

  user
    .command('list')
    .description('list all accounts')
    .action(async (_options: unknown, command: Command) => {
      const users = await allUsers(command);
      outputOf(command).result({ users }, describeUsers(users));
    });

  user
    .command('set-password <name>')
    .description('set a new password; devices stay logged in')
    .option('--logout', 'log out all devices')
    .option('--password-stdin', 'read the password from standard input')
    .action(async (name: string, options: { logout?: boolean; passwordStdin?: boolean }, command: Command) => {
      const password = await readNewPassword(options.passwordStdin ?? false);
      const done = await run(command, 'user/set-password', { user: name, password, logout: options.logout ?? false });
      const devices = done.logged_out ? 'All devices are logged out.' : 'Devices stay logged in.';
      outputOf(command).result(done, `${done.user_id} has a new password. ${devices}`);
    });

  user
    .command('deactivate <name>')
    .description('close an account for good: it cannot log in, and its name is not given out again')
    .option('--erase', 'also hide its messages from those who join later')
    .action(async (name: string, options: { erase?: boolean }, command: Command) => {
      const done = await run(command, 'user/deactivate', { user: name, erase: options.erase ?? false });
      outputOf(command).result(done, `${done.user_id} is deactivated.`);
    });

  user
    .command('valid-until <name> <date>')
    .description('lock an account at a date (2027-01-31, or a time as 2027-01-31T18:00Z); "always" for no end')
    .action(async (name: string, date: string, _options: unknown, command: Command) => {
      const done = await run(command, 'user/set-validity', { user: name, ...untilOf(date) });
      const end = done.until === null ? 'has no end' : `ends at ${dateText(done.until)}`;
      outputOf(command).result(done, `The account ${done.user_id} ${end}.`);
    });

  user
    .command('make-admin <name>')
    .description('give an account admin rights')
    .option('--revoke', 'take them away instead')
    .action(async (name: string, options: { revoke?: boolean }, command: Command) => {
      const done = await run(command, 'user/make-admin', { user: name, admin: !options.revoke });
      outputOf(command).result(done, `${done.user_id} is ${done.admin ? 'an admin now' : 'no longer an admin'}.`);
    });
}

function untilOf(date: string): { until?: number } {
  if (date === 'always') return {};
  const until = /^\d{4}-\d{2}-\d{2}/.test(date) ? Date.parse(date) : Number.NaN;
  if (Number.isNaN(until)) throw new WrongUsage(`"${date}" is no date: write 2027-01-31, or "always"`);
  return { until };
}

async function allUsers(command: Command): Promise<ListedUser[]> {
  const users: ListedUser[] = [];
  for (;;) {
    const after = users.at(-1)?.user_id;
    const page = await run(command, 'user/list', { limit: pageSize, ...(after === undefined ? {} : { after }) });
    users.push(...page.users);
    if (page.users.length < pageSize) return users;
  }
}

function describeUsers(users: readonly ListedUser[]): string {
  if (users.length === 0) return 'There are no accounts.';
  const kind = (user: ListedUser) => (user.deactivated ? 'deactivated' : user.admin ? 'admin' : '');
  return columns(
    ['USER', 'KIND', 'SINCE (UTC)'],
    users.map((user) => [user.user_id, kind(user), dateText(user.created)]),
  );
}
