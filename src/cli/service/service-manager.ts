import { spawn } from 'node:child_process';
import { millis } from '../../util/brand.ts';
import type { Cancel, Clock } from '../../util/clock.ts';
import type { Log } from '../../util/log.ts';

interface Options {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Stands in for systemd-notify in tests. */
  readonly program?: string;
}

/**
 * Tells systemd how the service is (`Type=notify`, `WatchdogSec=`), if systemd has started it. Node has no datagram sockets
 * of the unix kind, so the words go through systemd-notify; the unit needs `NotifyAccess=all` for that.
 */
export class ServiceManager {
  readonly #program: string | undefined;
  readonly #clock: Clock;
  readonly #log: Log;
  /** Half of what systemd waits for a sign of life; undefined where it waits for none. */
  readonly #interval: number | undefined;
  #cancel: Cancel = () => {};
  /** Words are told one after the other, as later ones replace earlier ones. */
  #last: Promise<void> = Promise.resolve();

  constructor({ env, pid, clock, log, program = 'systemd-notify' }: Options) {
    this.#program = env['NOTIFY_SOCKET'] ? program : undefined;
    this.#clock = clock;
    this.#log = log;
    const patience = Number(env['WATCHDOG_USEC'] ?? 0) / 1000;
    const isMeant = env['WATCHDOG_PID'] === undefined || Number(env['WATCHDOG_PID']) === pid;
    this.#interval = this.#program !== undefined && isMeant && patience > 0 ? patience / 2 : undefined;
  }

  /** The service answers requests. Signs of life follow, as long as timers fire. */
  ready(status: string): void {
    this.#tell('READY=1', `STATUS=${status}`);
    this.#live();
  }

  /** The service is about to end. Resolves when systemd knows, or cannot be told. */
  async stopping(): Promise<void> {
    this.#cancel();
    this.#tell('STOPPING=1', 'STATUS=Finishing what is under way');
    await this.#last;
  }

  #live(): void {
    if (this.#interval === undefined) return;
    this.#cancel = this.#clock.after(millis(this.#interval), () => {
      this.#tell('WATCHDOG=1');
      this.#live();
    });
  }

  #tell(...words: string[]): void {
    const program = this.#program;
    if (program === undefined) return;
    this.#last = this.#last.then(
      () =>
        new Promise((done) => {
          const child = spawn(program, words, { stdio: ['ignore', 'ignore', 'ignore'] });
          const failed = (reason: string): void => {
            this.#log.warn('service.not_told', { words, reason });
            done();
          };
          child.once('error', (error) => failed(error.message));
          child.once('exit', (code, signal) => (code === 0 ? done() : failed(`ended with ${code ?? signal}`)));
        }),
    );
  }
}
