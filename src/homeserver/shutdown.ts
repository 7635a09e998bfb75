import type { Log } from '../util/log.ts';

/**
 * Ends the parts of a server one after the other. One that fails does not keep the others from ending: what comes last,
 * the database, is closed in any case. The first failure is thrown when all is through, the others are in the log.
 */
export async function endAll(log: Log, steps: readonly (() => unknown)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (cause) {
      failures.push(cause);
      log.error('server.stop_failed', { cause });
    }
  }
  if (failures.length > 0) throw failures[0];
}
