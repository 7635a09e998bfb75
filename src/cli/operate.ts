import { AdminError } from '../admin/admin-error.ts';
import { type InputOf, type OperationName, type OutputOf, runOperation } from '../admin/operations.ts';
import type { Config } from '../config/config.ts';
import { ProcessLock } from '../store/process-lock.ts';
import { systemClock } from '../util/clock.ts';
import { createPinoLog } from '../util/pino-log.ts';
import { CommandFailed } from './arguments.ts';
import { askServer } from './socket-client.ts';

/**
 * Runs an operation in the running server, or on the database itself if none runs. Throws `CommandFailed` with what the
 * admin should know.
 */
export async function operate<Name extends OperationName>(
  config: Config,
  name: Name,
  input: InputOf<Name>,
): Promise<OutputOf<Name>> {
  const answer = await askServer(config.dataDir, name, input);
  const result = answer.reached ? answer.result : await operateOffline(config, name, input);
  return result as OutputOf<Name>;
}

async function operateOffline(config: Config, name: OperationName, input: unknown): Promise<unknown> {
  using lock = ProcessLock.take(config.dataDir);
  if (!lock) {
    throw new CommandFailed(
      `A process holds ${config.dataDir} but does not answer on admin.sock: a server that is just starting or stopping, or another command. Try again in a moment.`,
      'busy',
    );
  }
  // Loaded only now: asking a running server needs nothing of it.
  const { createHomeserver } = await import('../homeserver.ts');
  const log = createPinoLog({ level: 'warn', clock: systemClock });
  await using homeserver = await createHomeserver(config, { log });
  try {
    return await runOperation(homeserver.admin, name, input);
  } catch (error) {
    if (error instanceof AdminError) throw new CommandFailed(error.message, error.code);
    throw error;
  }
}
