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
export function createPinoLog({ level, clock, output }: PinoLogOptions): AdjustableLog {
  const options = {
    // Children would keep the level they were made with: the threshold is ours.
    level: 'debug',
    messageKey: 'event',
    base: null,
    timestamp: () => `,"time":"${new Date(clock.now()).toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { error: stdSerializers.err, cause: stdSerializers.err },
  };
  return new PinoLog(pino(options, output ?? destination({ fd: 2, sync: true })), { level });
}

/** A log whose level can be changed, for all of its children too. */
export interface AdjustableLog extends Log {
  setLevel(level: LogLevel): void;
}

const order: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

class PinoLog implements AdjustableLog {
  readonly #logger: Logger;
  /** Shared by all children. */
  readonly #threshold: { level: LogLevel };

  constructor(logger: Logger, threshold: { level: LogLevel }) {
    this.#logger = logger;
    this.#threshold = threshold;
  }

  setLevel(level: LogLevel): void {
    this.#threshold.level = level;
  }

  debug(event: string, fields: LogFields = {}): void {
    this.#write('debug', event, fields);
  }

  info(event: string, fields: LogFields = {}): void {
    this.#write('info', event, fields);
  }

  warn(event: string, fields: LogFields = {}): void {
    this.#write('warn', event, fields);
  }

  error(event: string, fields: LogFields = {}): void {
    this.#write('error', event, fields);
  }

  child(component: string): Log {
    return new PinoLog(this.#logger.child({ component }), this.#threshold);
  }

  #write(level: LogLevel, event: string, fields: LogFields): void {
    if (order.indexOf(level) >= order.indexOf(this.#threshold.level)) this.#logger[level](fields, event);
  }
}
