import { existsSync, readFileSync } from 'node:fs';
import { diskMegabytes, measureBoard } from '../config/board.ts';
import { type LoadResult, loadConfig } from '../config/load.ts';
import { describeProblem, type Problem } from '../config/problems.ts';
import { CommandFailed } from './arguments.ts';

/** Where a config file is looked for when neither `--config` nor `HEARTH_CONFIG` names one. */
const usualPlaces = ['hearth.toml', '/etc/hearth/hearth.toml'];

/** What `--dev` sets where nobody says otherwise. */
export const devSettings = { server_name: 'localhost', data_dir: './data' } as const;

/** The config file to read; undefined: the environment has to be enough. */
export function configFile(named: string | undefined): string | undefined {
  return named ?? process.env['HEARTH_CONFIG'] ?? usualPlaces.find((place) => existsSync(place));
}

/** Reads file and environment as they are on this machine. */
export function readConfiguration(
  file: string | undefined,
  fallback: Readonly<Record<string, unknown>> = {},
): LoadResult {
  const board = measureBoard();
  const load = (diskMb: number | undefined) =>
    loadConfig({
      file,
      env: process.env,
      readFile: (path) => readFileSync(path, 'utf8'),
      folder: process.cwd(),
      board: { ...board, diskMb },
      fallback,
    });
  const first = load(undefined);
  // Where the data are has to be known before the size of the disk can be.
  return first.ok ? load(diskMegabytes(first.config.dataDir)) : first;
}

/** The configuration; throws `CommandFailed` with everything that is wrong with it. */
export function requireConfiguration(named: string | undefined, fallback: Readonly<Record<string, unknown>> = {}) {
  const result = readConfiguration(configFile(named), fallback);
  if (result.ok) return result;
  throw new CommandFailed(problemText(result.problems), 'bad_config');
}

export function problemText(problems: readonly Problem[]): string {
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
  return [`The configuration has ${count}:`, ...problems.map((problem) => `  ${describeProblem(problem)}`)].join('\n');
}
