import { type Command, InvalidArgumentError } from 'commander';
import type { OutputOf } from '../../admin/operations.ts';
import { parseDuration } from '../../config/definition/kinds.ts';
import { columns, dateText } from '../output.ts';
import { outputOf, run } from '../session.ts';

type ListedToken = OutputOf<'token/list'>['tokens'][number];

const pageSize = 500;

function count(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('A whole number above 0 is needed.');
  return Number(text);
}

function span(text: string): number {
  const millis = parseDuration(text);
  if (millis === undefined || millis === 0) throw new InvalidArgumentError('A duration such as 12h or 7d is needed.');
  return millis;
}

export function addTokenCommands(program: Command): void {
  const token = program.command('token').description('registration tokens, with which people make their own account');

  token
    .command('create')
    .description('make a token')
    .option('--token <text>', 'the token itself; without it one is made up')
    .option('--uses <number>', 'how often it may be used; without it any number of times', count)
    .option('--lifetime <duration>', 'how long it is good for (12h, 7d); without it for ever', span)
    .action(async (options: { token?: string; uses?: number; lifetime?: number }, command: Command) => {
      const made = await run(command, 'token/create', {
        ...(options.token === undefined ? {} : { token: options.token }),
        ...(options.uses === undefined ? {} : { uses: options.uses }),
        ...(options.lifetime === undefined ? {} : { lifetime_ms: options.lifetime }),
      });
      outputOf(command).result(made, made.token);
    });

  token
    .command('list')
    .description('list all tokens')
    .action(async (_options: unknown, command: Command) => {
      const tokens = await allTokens(command);
      outputOf(command).result({ tokens }, describeTokens(tokens));
    });

  token
    .command('revoke <token>')
    .description('make a token useless; accounts made with it stay')
    .action(async (text: string, _options: unknown, command: Command) => {
      const done = await run(command, 'token/revoke', { token: text });
      outputOf(command).result(done, `The token ${done.token} is revoked.`);
    });
}

async function allTokens(command: Command): Promise<ListedToken[]> {
  const tokens: ListedToken[] = [];
  for (;;) {
    const after = tokens.at(-1)?.token;
    const page = await run(command, 'token/list', { limit: pageSize, ...(after === undefined ? {} : { after }) });
    tokens.push(...page.tokens);
    if (page.tokens.length < pageSize) return tokens;
  }
}

function describeTokens(tokens: readonly ListedToken[]): string {
  if (tokens.length === 0) return 'There are no registration tokens.';
  return columns(
    ['TOKEN', 'USED', 'UNTIL (UTC)'],
    tokens.map((token) => [
      token.token,
      token.uses === null ? String(token.used) : `${token.used} of ${token.uses}`,
      token.expires === null ? 'for ever' : dateText(token.expires),
    ]),
  );
}
