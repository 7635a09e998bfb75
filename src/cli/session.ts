import type { Command } from 'commander';
import type { InputOf, OperationName, OutputOf } from '../admin/operations.ts';
import { devSettings, requireConfiguration } from './configuration.ts';
import { operate } from './operate.ts';
import { createOutput, type Output } from './output.ts';

export interface GlobalOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly dev?: boolean;
}

/** What the options before and after any command say. */
export function globalsOf(command: Command): GlobalOptions {
  return command.optsWithGlobals<GlobalOptions>();
}

export function outputOf(command: Command): Output {
  return createOutput(globalsOf(command).json ?? false, (text) => process.stdout.write(text));
}

/** Settings for lack of others, in TOML form. */
export function fallbackOf(globals: GlobalOptions): Readonly<Record<string, unknown>> {
  return globals.dev ? devSettings : {};
}

/** Runs an operation on the server that the configuration names. */
export function run<Name extends OperationName>(
  command: Command,
  name: Name,
  input: InputOf<Name>,
): Promise<OutputOf<Name>> {
  const globals = globalsOf(command);
  const { config } = requireConfiguration(globals.config, fallbackOf(globals));
  return operate(config, name, input);
}
