import { CommandFailed, type ExitCode, exit, parseServeArguments, WrongUsage } from './arguments.ts';
import { configFile, devSettings, readConfiguration, requireConfiguration } from './configuration.ts';

/** `hearth serve`: runs until it is told to stop. Answers the exit code. */
export async function serve(args: readonly string[]): Promise<ExitCode> {
  try {
    const { config: file, dev } = parseServeArguments(args);
    const fallback = dev ? devSettings : {};
    const { config, notes } = requireConfiguration(file, fallback);
    // A configuration that is wrong is reported without loading the server.
    const { runServer } = await import('./server.ts');
    const readAgain = () => readConfiguration(configFile(file), fallback);
    await runServer(config, { notes, greet: dev, readAgain });
    return exit.done;
  } catch (error) {
    if (error instanceof WrongUsage) {
      process.stderr.write(`error: ${error.message}\n(--help says how it is used)\n`);
      return exit.usage;
    }
    const known = error instanceof CommandFailed;
    process.stderr.write(`${known || !(error instanceof Error) ? messageOf(error) : (error.stack ?? error.message)}\n`);
    return exit.failed;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
