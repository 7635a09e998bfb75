import type { ServerName } from '../../protocol/ids/types.ts';
import type { Clock } from '../../util/clock.ts';
import { Lru } from '../../util/lru.ts';

interface Memory {
  /** Failures in a row. */
  failures: number;
  /** Until when it is not asked again. */
  blockedUntil: number;
  /** Asked in the present minute. */
  count: number;
  minute: number;
}

const minute = 60_000;
/** A server without an answer is asked again after a minute, then two, … */
const longestBlock = 60 * minute;
/** Whoever names ever new keys of a server must not make us ask it without end. */
const perMinute = 5;
/** Some 150 bytes each. What is forgotten is asked once more. */
const remembered = 2048;

/** Remembers for a short time which servers gave no keys, so that they are not asked for every event anew. */
export class FetchMemory {
  readonly #clock: Clock;
  readonly #servers = new Lru<ServerName, Memory>(remembered);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Whether a server may be asked now; counts it if so. `isCalling`: it has just called us, so that it may well answer
   * although it did not a moment ago.
   */
  mayAsk(server: ServerName, isCalling: boolean): boolean {
    const now = this.#clock.monotonic();
    const memory = this.#servers.get(server) ?? { failures: 0, blockedUntil: 0, count: 0, minute: now };
    if (now - memory.minute >= minute) {
      memory.minute = now;
      memory.count = 0;
    }
    if (memory.count >= perMinute || (!isCalling && now < memory.blockedUntil)) return false;
    memory.count++;
    this.#servers.set(server, memory);
    return true;
  }

  answered(server: ServerName): void {
    const memory = this.#servers.get(server);
    if (memory === undefined) return;
    memory.failures = 0;
    memory.blockedUntil = 0;
  }

  failed(server: ServerName): void {
    const memory = this.#servers.get(server);
    if (memory === undefined) return;
    memory.blockedUntil = this.#clock.monotonic() + Math.min(longestBlock, minute * 2 ** memory.failures);
    memory.failures = Math.min(memory.failures + 1, 10);
  }

  /** For tests. */
  get size(): number {
    return this.#servers.size;
  }
}
