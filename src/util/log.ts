/** One log line: a stable event name and its fields. Values never hold tokens, passwords or message bodies. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Structured logging: `log.info('room.created', { roomId })`. The event name is stable, for people and for tools. */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** A logger whose lines carry `component`. */
  child(component: string): Log;
}

/** A logger that says nothing. */
export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLog,
};
