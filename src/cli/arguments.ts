import { parseArgs } from 'node:util';

/** Exit codes, a contract with scripts. */
export const exit = { done: 0, failed: 1, usage: 2 } as const;

export type ExitCode = (typeof exit)[keyof typeof exit];

/** A command that could not do what was asked: the message is for the admin. Exit code 1. */
export class CommandFailed extends Error {
  readonly code: string;
  /** What `--json` prints. */
  readonly json: unknown;

  constructor(message: string, code = 'failed', json: unknown = { error: { code, message } }) {
    super(message);
    this.code = code;
    this.json = json;
  }
}

/** A command that was called in a way that makes no sense. Exit code 2. */
export class WrongUsage extends Error {}

export interface ServeArguments {
  readonly config: string | undefined;
  readonly dev: boolean;
}

const serveOptions = { config: { type: 'string', short: 'c' }, dev: { type: 'boolean' } } as const;

/** True for `hearth serve …` and for `hearth` with nothing but serve's options. Asking for help is not serving. */
export function isServe(args: readonly string[]): boolean {
  const { tokens } = parseArgs({ args: [...args], options: serveOptions, strict: false, tokens: true });
  const command = tokens.find((token) => token.kind === 'positional')?.value;
  const wantsHelp = tokens.some((token) => token.kind === 'option' && /^(help|h|version|V)$/.test(token.name));
  return !wantsHelp && (command === undefined || command === 'serve');
}

/** Throws `WrongUsage`. */
export function parseServeArguments(args: readonly string[]): ServeArguments {
  try {
    const options = { args: [...args], options: serveOptions, allowPositionals: true };
    const { values, positionals } = parseArgs(options);
    if (positionals.length > 1) throw new WrongUsage(`unexpected argument "${positionals[1]}"`);
    return { config: values.config, dev: values.dev ?? false };
  } catch (error) {
    if (error instanceof WrongUsage) throw error;
    const [sentence = ''] = error instanceof Error ? error.message.split('. ') : [];
    throw new WrongUsage(sentence);
  }
}
