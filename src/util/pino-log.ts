import { destination, type Logger, pino, stdSerializers } from 'pino';
import type { Clock } from './clock.ts';
import type { Log, LogFields } from './log.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

interface PinoLogOptions {
  readonly level: LogLevel;
  readonly clock: Clock;
  /** Takes whole lines; standard error by default. */
  readonly output?: { write(line: string): void };
}

/**
 * A log of JSON lines: `{"level":"info","time":"…","component":"…","event":"room.created",…fields}`. Lines are written
 * synchronously, so that the last one before a crash is not lost.
 */
export function createPinoLog({ level, clock, output }: PinoLogOptions): Log {
  const options = {
    level,
    messageKey: 'event',
    base: null,
    timestamp: () => `,"time":"${new Date(clock.now()).toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { error: stdSerializers.err, cause: stdSerializers.err },
  };
  return new PinoLog(pino(options, output ?? destination({ fd: 2, sync: true })));
}

class PinoLog implements Log {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  debug(event: string, fields: LogFields = {}): void {
    this.#logger.debug(fields, event);
  }

  info(event: string, fields: LogFields = {}): void {
    this.#logger.info(fields, event);
  }

  warn(event: string, fields: LogFields = {}): void {
    this.#logger.warn(fields, event);
  }

  error(event: string, fields: LogFields = {}): void {
    this.#logger.error(fields, event);
  }

  child(component: string): Log {
    return new PinoLog(this.#logger.child({ component }));
  }
}
