import type { Command } from 'commander';
import { stringify } from 'smol-toml';
import { describeProblem, type Problem } from '../../config/problems.ts';
import { shownConfig } from '../../config/render.ts';
import { CommandFailed } from '../arguments.ts';
import { configFile, problemText, readConfiguration, requireConfiguration } from '../configuration.ts';
import { fallbackOf, globalsOf, outputOf } from '../session.ts';

export function addConfigCommands(program: Command): void {
  const config = program.command('config').description('the configuration');

  config
    .command('check')
    .description('read the configuration and say everything that is wrong with it')
    .action((_options: unknown, command: Command) => check(command));

  config
    .command('show')
    .description('show the configuration as it is used, defaults included, secrets masked')
    .action((_options: unknown, command: Command) => {
      const globals = globalsOf(command);
      const shown = shownConfig(requireConfiguration(globals.config, fallbackOf(globals)).config);
      outputOf(command).result(shown, stringify(shown).trimEnd());
    });
}

function check(command: Command): void {
  const globals = globalsOf(command);
  const file = configFile(globals.config);
  const result = readConfiguration(file, fallbackOf(globals));
  if (result.ok) {
    const words = [`${file ?? 'The environment'}: the configuration is good.`, ...result.notes.map(describeProblem)];
    outputOf(command).result({ ok: true, notes: result.notes.map(plain) }, words.join('\n'));
    return;
  }
  const json = { ok: false, problems: result.problems.map(plain) };
  throw new CommandFailed(problemText(result.problems), 'bad_config', json);
}

function plain(problem: Problem) {
  const { source, line, key, message, nearest } = problem;
  return { source, line: line ?? null, key, message, nearest: nearest ?? null };
}
