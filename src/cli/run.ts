import { isServe } from './arguments.ts';

/**
 * Runs one command and sets the exit code: 0 done, 1 failed, 2 wrong usage. `serve` goes its own way, so that a server
 * never loads what only the other commands need.
 */
export async function runCommandLine(args: readonly string[]): Promise<void> {
  // Whatever is made belongs to this user alone: databases, keys, sockets.
  process.umask(0o077);
  if (isServe(args)) {
    const { serve } = await import('./serve.ts');
    process.exitCode = await serve(args);
  } else {
    const { runProgram } = await import('./program.ts');
    process.exitCode = await runProgram(args);
  }
}
