import type { Config } from '../../config/config.ts';
import type { LoadResult } from '../../config/load.ts';
import { describeProblem } from '../../config/problems.ts';
import { changedKeys } from '../../config/reloading.ts';
import type { Log } from '../../util/log.ts';
import type { LogLevel } from '../../util/pino-log.ts';

interface Reloadable {
  readonly read: () => LoadResult;
  readonly settings: { readonly inForce: Config; takeOver(config: Config): void };
  readonly log: Log;
  readonly setLogLevel: (level: LogLevel) => void;
  readonly reloadCertificates: () => void;
}

/**
 * What SIGHUP asks for: reads the configuration again, takes over what a running server can, and names the changed keys
 * that wait for a restart. A configuration with mistakes changes nothing.
 */
export function reload({ read, settings, log, setLogLevel, reloadCertificates }: Reloadable): void {
  const result = read();
  if (!result.ok) {
    log.error('config.reload_refused', { problems: result.problems.map(describeProblem) });
    return;
  }
  const before = settings.inForce;
  settings.takeOver(result.config);
  setLogLevel(result.config.log.level);
  reloadCertificates();
  log.info('config.reloaded', { keys: changedKeys(before, settings.inForce) });
  const waiting = changedKeys(settings.inForce, result.config);
  if (waiting.length > 0) log.warn('config.needs_restart', { keys: waiting });
}
